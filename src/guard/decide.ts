import type { Milliseconds } from '../values/duration.ts'

/**
 * Decides what the guard of a site does, from its readings of the witness. Pure: time is a value, in milliseconds of a
 * clock that never goes back while the machine runs, and continues while the machine sleeps.
 */
export interface GuardRules {
  /** How long the witness may be silent while the site is not proven active. */
  readonly silence: Milliseconds
  /** How long it may be silent when the site was proven active; null: for ever. */
  readonly closeAfter: Milliseconds | null
}

export type Reading =
  /** A sound record of this stack. undeclared: the guard's stack file does not know that site. */
  | { readonly is: 'read'; readonly epoch: number; readonly activeSite: string; readonly undeclared?: true }
  | { readonly is: 'unreadable'; readonly why: string }

/** What a guard knows since it started. */
export interface Knowledge {
  /** The highest epoch that was read: an older record is ignored. */
  readonly epoch: number
  /** The site that the newest record calls active; null: nothing was read since the start. */
  readonly activeSite: string | null
  /** When the last successful read of the newest record was begun, or when the guard started. */
  readonly readAt: Milliseconds
  /** Whether the newest epoch has named another site before: a move changes the site of its epoch once. */
  readonly changed: boolean
  /** Whether the last reading gave the newest record. */
  readonly readable: boolean
  /** The last sign of life of this guard. */
  readonly aliveAt: Milliseconds
}

export type Decision =
  | { readonly do: 'stand-by'; readonly because: 'active' | 'active-and-silent' | 'not-proven-yet' }
  | { readonly do: 'close'; readonly because: 'not-active' | 'not-proven' | 'silent-too-long' }

export const beginLife = (now: Milliseconds): Knowledge => ({
  epoch: 0,
  activeSite: null,
  changed: false,
  readAt: now,
  readable: false,
  aliveAt: now,
})

/**
 * The interval of the signs of life, many within the silence: a guard that missed so many was frozen or dead meanwhile,
 * and knows as little as after a boot. It is separate from the readings, because a reading may take longer than the
 * silence.
 */
export function beat(before: Knowledge, now: Milliseconds, rules: GuardRules): Knowledge {
  const missed = now < before.aliveAt || now - before.aliveAt > rules.silence
  return missed ? { ...beginLife(now), epoch: before.epoch, changed: before.changed } : { ...before, aliveAt: now }
}

/**
 * The knowledge after one more reading. A reading proves the state at the time of the request: a newer record may exist
 * when the answer arrives.
 */
export function learn(
  before: Knowledge,
  reading: Reading,
  now: Milliseconds,
  rules: GuardRules,
  askedAt: Milliseconds = now,
): Knowledge {
  const known = beat(before, now, rules)
  if (reading.is === 'unreadable' || disbelief(known, reading) !== null) return { ...known, readable: false }
  const same = reading.epoch === known.epoch
  const changed = same && (known.changed || (known.activeSite !== null && known.activeSite !== reading.activeSite))
  return {
    epoch: reading.epoch,
    activeSite: reading.activeSite,
    changed,
    readAt: askedAt,
    readable: true,
    aliveAt: now,
  }
}

/** More moves than can happen while a guard lives and cannot read. */
export const FARTHEST_JUMP = 1_000

/**
 * Why a well-formed record is not trusted; it then counts as no answer. A move begins the next epoch with the active
 * site, and names the new one later in the same epoch: so an epoch may name two sites, one after the other, and must
 * not change again.
 */
export function disbelief(
  known: Knowledge,
  { epoch, activeSite, undeclared }: Extract<Reading, { is: 'read' }>,
): string | null {
  if (epoch < known.epoch) return `its record is of epoch ${epoch}, older than ${known.epoch}`
  if (known.epoch > 0 && epoch > known.epoch + FARTHEST_JUMP)
    return `its record jumps from epoch ${known.epoch} to ${epoch}`
  if (undeclared === true && (known.epoch === 0 || epoch === known.epoch))
    return `its record names ${activeSite}, which is not declared here`
  const another = known.activeSite !== null && known.activeSite !== activeSite
  if (epoch === known.epoch && known.changed && another)
    return `its record changes the active site of epoch ${epoch} once more, to ${activeSite}`
  return null
}

/** Whether the site is closed now. The guard never opens a site. */
export function guardDecision(site: string, known: Knowledge, now: Milliseconds, rules: GuardRules): Decision {
  const silentFor = Math.max(0, now - known.readAt)
  if (known.activeSite === site) {
    if (known.readable) return { do: 'stand-by', because: 'active' }
    const tooLong = rules.closeAfter !== null && silentFor >= rules.closeAfter
    return tooLong ? { do: 'close', because: 'silent-too-long' } : { do: 'stand-by', because: 'active-and-silent' }
  }
  if (known.readable) return { do: 'close', because: 'not-active' }
  // Also when another site was active at the last read: this one may have become active since.
  return silentFor >= rules.silence
    ? { do: 'close', because: 'not-proven' }
    : { do: 'stand-by', because: 'not-proven-yet' }
}
