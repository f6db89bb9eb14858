import type { Finding, Plan } from '../domain/plan.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import { UNSEEN } from '../errors/unseen.ts'
import { nameOfFact, staleFacts, unansweredFacts } from './facts.ts'
import { blockers } from './findings.ts'

/**
 * Codes of findings that may block for no more than an answer that did not come in time. A contract test asks every
 * driver, and every listed code.
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
 * Whether somebody is not heard now, and all who are heard say what the approved plan rests on: then a second look may
 * bring it back. So may it where no fact has changed and the plan that is made anew still differs: an archive, or the
 * lost site, answered too late to have its steps. Pure.
 */
export function maySilenceExplain(approved: Plan, now: Plan, differs = false): boolean {
  const unheard = unansweredFacts(approved.facts, now.facts)
  const names = new Set(unheard.map(nameOfFact))
  const heard = now.facts.filter((fact) => !names.has(nameOfFact(fact)))
  // As if whoever is not heard had said what it said before.
  if (staleFacts(approved.facts, [...heard, ...unheard]).length > 0) return false
  return unheard.length > 0 || differs || blockers(now.findings).some(isUnanswered)
}

/** Drivers of the kit mark such a finding themselves; the codes are those of drivers that do not yet. */
export const isUnanswered = ({ code, unanswered }: Pick<Finding, 'code' | 'unanswered'>): boolean =>
  unanswered === true || CODES_OF_SILENCE.has(code)
