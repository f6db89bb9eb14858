import type { AnyReasonCode } from '../errors/reason-codes.ts'
import { StandbyError } from '../errors/standby-error.ts'

/** One reason to refuse an approval. */
export interface Refusal {
  readonly code: AnyReasonCode
  readonly what: string
  readonly next: string
}

export const refusal = (code: AnyReasonCode, what: string, next: string): Refusal => ({ code, what, next })

/** Throws the first reason, naming all of them; returns when there is none. */
export function refuseFirst([first, ...others]: readonly Refusal[], where: string, effect?: string): void {
  if (first !== undefined) throw refusedFor(first, where, others, effect)
}

/** The error for a reason, with the other reasons named, and with what was or was not changed. */
export function refusedFor(
  first: Refusal,
  where: string,
  others: readonly Refusal[] = [],
  effect = 'Nothing was changed.',
): StandbyError {
  return new StandbyError({
    code: first.code,
    mustAct: 'approval',
    what: [first, ...others].map((one) => one.what).join('; '),
    where,
    next: `${first.next} ${effect}`,
  })
}
