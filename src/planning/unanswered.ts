import type { Finding, Plan } from '../domain/plan.ts'
import { nameOfFact, staleFacts, unansweredFacts } from './facts.ts'
import { blockers } from './findings.ts'

/**
 * Whether the difference between an approved plan and the one that is made now may be no more than a missing answer,
 * so that a second look is worth its time: a fact or a blocker is unanswered, and all that did answer says what the
 * approved plan depends on. `differs`: the plans differ although no fact has changed, for example because an archive
 * or the lost site answered too late to have its steps. Pure.
 */
export function mayBeUnanswered(approved: Plan, now: Plan, differs = false): boolean {
  const unanswered = unansweredFacts(approved.facts, now.facts)
  const names = new Set(unanswered.map(nameOfFact))
  const answered = now.facts.filter((fact) => !names.has(nameOfFact(fact)))
  // Assume unanswered facts are unchanged.
  if (staleFacts(approved.facts, [...answered, ...unanswered]).length > 0) return false
  return unanswered.length > 0 || differs || blockers(now.findings).some(isUnanswered)
}

/** Its author says that it is about something that did not answer. */
export const isUnanswered = ({ unanswered }: Pick<Finding, 'unanswered'>): boolean => unanswered === true
