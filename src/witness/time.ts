import type { Clock } from '../runtime/clock.ts'
import type { ConditionalStore } from './conditional-store.ts'

/**
 * The one "now" for everything that crosses machines: the life of a plan, an approval and a lock. It is the time of the
 * witness, and this machine's own only where the witness gives none.
 */
export const witnessTime = async (store: Pick<ConditionalStore, 'time'>, clock: Pick<Clock, 'now'>): Promise<Date> =>
  (await store.time()) ?? clock.now()
