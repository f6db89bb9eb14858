import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** Milliseconds. */
  deadline: number
  every: number
  signal?: AbortSignal
  /** Said when the deadline passes: what to look at. */
  hint?: () => Promise<string> | string
}

/**
 * Asks again and again until there is an answer, and returns it; fails with what was waited for, never waits past the
 * deadline.
 */
export async function until<T>(
  what: string,
  patience: Patience,
  ask: () => Promise<T | false | undefined>,
): Promise<T> {
  const end = Date.now() + patience.deadline
  for (;;) {
    patience.signal?.throwIfAborted()
    const found = await ask()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) {
      const hint = patience.hint === undefined ? '' : `\n  ${await patience.hint()}`
      throw new Error(`lab-timeout: ${what}: not within ${patience.deadline / 1000} s${hint}`)
    }
    await sleep(patience.every, undefined, patience.signal === undefined ? {} : { signal: patience.signal })
  }
}
