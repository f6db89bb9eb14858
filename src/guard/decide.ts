import type { Milliseconds } from '../values/duration.ts'

/**
 * What the guard of a site does, from what it could read of the witness. Pure: time is a value, in milliseconds of a
 * clock that never goes back while the machine runs, and goes on while it sleeps.
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

/** What a guard knows since its life began. */
export interface Knowledge {
  /** The highest epoch that was ever read: an older record is no news. */
  readonly epoch: number
  /** Whom the newest record calls active; null: nothing was read in this life. */
  readonly activeSite: string | null
  /** When the newest record was last asked for with success, or when this life began. */
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
 * A sign of life, many times within the silence: whoever missed so many was frozen or dead meanwhile, and knows as
 * little as after a boot. Its own measure, because a reading may take longer than the silence.
 */
export function beat(before: Knowledge, now: Milliseconds, rules: GuardRules): Knowledge {
  const missed = now < before.aliveAt || now - before.aliveAt > rules.silence
  return missed ? { ...beginLife(now), epoch: before.epoch, changed: before.changed } : { ...before, aliveAt: now }
}

/**
 * What is known after one more reading. It proves what was true when it was asked for: the answer may have been
 * overtaken on its way.
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

/** More moves than anybody makes while a guard lives and cannot read. */
export const FARTHEST_JUMP = 1_000

/**
 * Why a record that is sound by itself is not believed: it counts as no answer then. A move begins the next epoch with
 * the site that is active, and names the new one later, in the same epoch: so an epoch may name two sites, one after
 * the other, and no third time another.
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

/** Whether the site is closed now. Nothing here ever opens anything. */
export function guardDecision(site: string, known: Knowledge, now: Milliseconds, rules: GuardRules): Decision {
  const silentFor = Math.max(0, now - known.readAt)
  if (known.activeSite === site) {
    if (known.readable) return { do: 'stand-by', because: 'active' }
    const tooLong = rules.closeAfter !== null && silentFor >= rules.closeAfter
    return tooLong ? { do: 'close', because: 'silent-too-long' } : { do: 'stand-by', because: 'active-and-silent' }
  }
  if (known.readable) return { do: 'close', because: 'not-active' }
  // Also when it was another site's turn when we last read: this one may have become active since.
  return silentFor >= rules.silence
    ? { do: 'close', because: 'not-proven' }
    : { do: 'stand-by', because: 'not-proven-yet' }
}
