import { overWay, type Trips, type Way } from '../clients/patience.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'

/** How long what was seen of a fence counts before the gated step asks for its lock. */
export const FRESHNESS: Milliseconds = seconds(2)
/**
 * And before its effect is sent: the look at the lock comes in between, and a slow witness must not send the process
 * round for ever. Nor is what was seen of one fence older than this while another is looked at.
 */
export const FRESHNESS_WHEN_CLEARED: Milliseconds = seconds(10)
/** How long a site that has gone silent since its fence was seen is asked again, over a short way. */
const PATIENCE_WITH_SEEN: Milliseconds = seconds(5)
/** How long a fence that nothing is on record of is asked for before it is left as it is, over a short way. */
const SILENCE_OFF_RECORD: Milliseconds = seconds(10)
/** A look asks several times, one after the other, and loses a packet now and then: 20 s over 1.5 s. */
const LOOK: Trips = { trips: 12, most: seconds(20) }

/** The same over these ways: what answers late is not taken for silent. Pure. */
export const patienceWithSeen = (ways: readonly Way[]): Milliseconds =>
  Math.max(PATIENCE_WITH_SEEN, ...ways.map((way) => overWay(way, PATIENCE_WITH_SEEN, LOOK)))

/** The same for a fence that is not on record as shut. Pure. */
export const patienceOffRecord = (ways: readonly Way[]): Milliseconds =>
  Math.max(SILENCE_OFF_RECORD, patienceWithSeen(ways))
