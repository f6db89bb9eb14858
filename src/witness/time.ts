import type { Clock } from '../runtime/clock.ts'
import type { ConditionalStore } from './conditional-store.ts'

/**
 * The one notion of "now" for whatever crosses machines: how long a plan, an approval and a lock hold. It is the time
 * of the witness, and this machine's own only where the witness says none.
 */
export const witnessTime = async (store: Pick<ConditionalStore, 'time'>, clock: Pick<Clock, 'now'>): Promise<Date> =>
  (await store.time()) ?? clock.now()
