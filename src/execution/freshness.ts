import { overWay, type Trips, type Way } from '../clients/patience.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'

/** How long a look at a fence counts until the gated step asserts the lock. */
export const FRESHNESS: Milliseconds = seconds(2)
/**
 * How long it counts until the effect of the gated step is sent: the lock is asserted in between, and a slow witness
 * must not make the process look again forever. No look at one fence gets older than this while another one is looked
 * at.
 */
export const FRESHNESS_WHEN_CLEARED: Milliseconds = seconds(10)
/** How long a site is asked that went silent after its fence was seen; over a short way. */
const PATIENCE_WITH_SEEN: Milliseconds = seconds(5)
/** How long a fence without a record is asked for until it is left as it is; over a short way. */
const SILENCE_OFF_RECORD: Milliseconds = seconds(10)
/** A look asks several times in a row, and may lose a packet: 20 s over a way of 1.5 s. */
const LOOK: Trips = { trips: 12, most: seconds(20) }

/** The same over these ways: a late answer is not silence. Pure. */
export const patienceWithSeen = (ways: readonly Way[]): Milliseconds =>
  Math.max(PATIENCE_WITH_SEEN, ...ways.map((way) => overWay(way, PATIENCE_WITH_SEEN, LOOK)))

/** The same for a fence that is not on record as shut. Pure. */
export const patienceOffRecord = (ways: readonly Way[]): Milliseconds =>
  Math.max(SILENCE_OFF_RECORD, patienceWithSeen(ways))
