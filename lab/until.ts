import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** Milliseconds. */
  deadline: number
  every: number
  signal?: AbortSignal
  /** Said when the deadline passes: what to look at. */
  hint?: () => Promise<string> | string
}

/** Asks again and again until the answer is true; fails with what was waited for, never waits past the deadline. */
export async function until(what: string, patience: Patience, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + patience.deadline
  for (;;) {
    patience.signal?.throwIfAborted()
    if (await holds()) return
    if (Date.now() > end) {
      const hint = patience.hint === undefined ? '' : `\n  ${await patience.hint()}`
      throw new Error(`lab-timeout: ${what}: not within ${patience.deadline / 1000} s${hint}`)
    }
    await sleep(patience.every, undefined, patience.signal === undefined ? {} : { signal: patience.signal })
  }
}
