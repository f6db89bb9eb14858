import { seenInTime } from '../../clients/seen-in-time.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { codes } from './codes.ts'

/** What is known of one thing. `filtered`: the token may not see all of it, and nothing is believed of it. */
export type Known<T> =
  | { readonly is: 'known'; readonly value: T }
  | { readonly is: 'unknown'; readonly why: string; readonly because: 'refused' | 'filtered' | 'unanswered' }

/** What was read. `isLacking`: the token may not see all of it, and what is missing may be there. */
export interface Partly<T> {
  readonly value: T
  readonly isLacking: boolean
}
/** Takes a look, whose failure is a value. */
export type See = <T>(look: () => Promise<T | Partly<T>>) => Promise<Known<T>>

const isPartly = <T>(answer: T | Partly<T>): answer is Partly<T> =>
  typeof answer === 'object' && answer !== null && 'isLacking' in answer

/** Looks whose failures are values, and so is what has not answered when the signal ends. */
export const seeing =
  (signal: AbortSignal): See =>
  (look) =>
    known(look, signal)

async function known<T>(look: () => Promise<T | Partly<T>>, signal: AbortSignal): Promise<Known<T>> {
  const unknown = (why: string, because: 'refused' | 'filtered' | 'unanswered'): Known<T> => ({
    is: 'unknown',
    why,
    because,
  })
  try {
    return await seenInTime(
      signal,
      async (): Promise<Known<T>> => {
        const answer = await look()
        if (!isPartly(answer)) return { is: 'known', value: answer }
        return answer.isLacking
          ? unknown('the token may not see all of it', 'filtered')
          : { is: 'known', value: answer.value }
      },
      () => unknown(LATE, 'unanswered'),
    )
  } catch (error) {
    const { code, message } = asStandbyError(error)
    return unknown(message, code === codes.code['consul-refused'] ? 'refused' : 'unanswered')
  }
}

/** Why nothing is known of what has not answered when the observation ends. */
export const LATE = 'it does not answer in time'
