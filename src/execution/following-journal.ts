import { setTimeout as pause } from 'node:timers/promises'
import { asStandbyError, type StandbyError } from '../errors/standby-error.ts'
import type { Log } from '../runtime/log.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { Journal } from '../witness/journal.ts'

/** How long a run waits for one entry, once: from then on the entries follow it. */
export const ENTRY_PATIENCE: Milliseconds = seconds(15)

export interface Following {
  readonly log: Log
  /** Warns people that the run goes on without its journal, and says what to do; the reason is added. */
  readonly warning: string
  /** Called when another process has written to this journal. */
  readonly continuedElsewhere: (reason: StandbyError) => void
  readonly patience?: Milliseconds
  /** Of the run: a cancelled one waits for no entry. */
  readonly signal: AbortSignal
}

export interface FollowingJournal extends Pick<Journal, 'append' | 'refuseContinuedElsewhere'> {
  /** Waits until all entries are written, or given up, or for so long. */
  settle(within: Milliseconds): Promise<void>
}

/**
 * The journal of a run that no other process continues. Nothing depends on it: an effect of such a run may be repeated,
 * and a new run compares again. So it never fails the run, and holds it up once at most: an entry is on record before
 * what follows it, unless the witness is slower than `patience`. Then the entries are written while the run goes on, in
 * their order. The first one that cannot be written is the last one that is tried: whether it arrived is not known.
 */
export function followingJournal(
  journal: Pick<Journal, 'append' | 'refuseContinuedElsewhere'>,
  { log, warning, continuedElsewhere, patience = ENTRY_PATIENCE, signal }: Following,
): FollowingJournal {
  let ended = false
  let isLate = false
  let written: Promise<void> = Promise.resolve()
  const end = (thrown: unknown): void => {
    if (ended) return
    ended = true
    const reason = asStandbyError(thrown)
    if (reason.code === 'run-continued-elsewhere') continuedElsewhere(reason)
    else log.warning(`${warning} (${reason.message})`)
  }
  const settle = async (within: Milliseconds, ...ends: AbortSignal[]): Promise<'written' | 'late'> => {
    const over = new AbortController()
    const ending = AbortSignal.any([over.signal, ...ends])
    const late = pause(within, undefined, { signal: ending }).then(
      () => 'late' as const,
      () => 'late' as const,
    )
    try {
      return await Promise.race([written.then(() => 'written' as const), late])
    } finally {
      over.abort()
    }
  }
  return {
    async append(entry) {
      written = written.then(() => (ended ? undefined : journal.append(entry).catch(end)))
      if (!isLate && (await settle(patience, signal)) === 'late') isLate = true
    },
    refuseContinuedElsewhere: () => (ended ? Promise.resolve() : journal.refuseContinuedElsewhere()),
    async settle(within) {
      await settle(within)
    },
  }
}
