import { type Milliseconds, seconds } from '../duration.ts'

/** How long what was seen of a fence counts before the gated step asks for its lock. */
export const SIGHT: Milliseconds = seconds(2)
/**
 * And before its effect is sent: the look at the lock comes in between, and a slow witness must not send the process round for ever. Nor is what was
 * seen of one fence older than this while another is looked at.
 */
export const SIGHT_OF_CLEARED: Milliseconds = seconds(10)
/** How long a site that has gone silent since its fence was seen is asked again. */
export const SILENCE_OF_SEEN: Milliseconds = seconds(5)
