import type { Finding, Plan } from '../domain/plan.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import { UNSEEN } from '../errors/unseen.ts'
import { nameOfFact, staleFacts, unansweredFacts } from './facts.ts'
import { blockers } from './findings.ts'

/**
 * The codes of drivers that do not mark their findings with `unanswered` yet, and those of the core. A contract test
 * asks every driver, and checks every listed code.
 */
export const CODES_OF_SILENCE: ReadonlySet<string> = new Set([
  ...([
    'witness-silent',
    'other-site-may-write',
    'object-store-silent',
    'database-silent',
    'database-not-answering',
    'cache-silent',
    'application-silent',
    'load-balancer-silent',
  ] satisfies ReasonCode[]),
  ...Object.values(UNSEEN).flatMap(({ code, passing }) => (passing ? [code] : [])),
])

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

/** Drivers of the kit mark such a finding themselves; the codes are those of drivers that do not yet. */
export const isUnanswered = ({ code, unanswered }: Pick<Finding, 'code' | 'unanswered'>): boolean =>
  unanswered === true || CODES_OF_SILENCE.has(code)
