import type { LivenessSignal } from '../../../domain/liveness.ts'
import type { BySite } from '../../../domain/observed.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'

/**
 * Replication as a vantage point. A connected walreceiver has had an answer of its primary within wal_receiver_timeout
 * (CloudNativePG sets 5 s), so the other site is up. A missing connection says nothing: certificates expire, archives
 * suffice, links break one way. An archive that no longer grows may belong to a database without writes. So this
 * vantage point never says `down`. Pure.
 */
export function livenessSignalsOf(
  component: Database,
  states: BySite<CloudNativePgState>,
  site: SiteName,
): LivenessSignal[] {
  const cluster = clusterOf(component, site)
  return Object.entries(states).flatMap(([other, seen]): LivenessSignal[] => {
    if (other === site || seen.kind !== 'answering') return []
    const { state } = seen
    const streams =
      state.isReplica && state.replica?.primary === cluster && state.instance?.isWalReceiverActive === true
    return streams
      ? [
          {
            from: `${state.cluster} on ${other} (streaming)`,
            says: 'up',
            what: `it streams from ${cluster} at this moment`,
          },
        ]
      : []
  })
}
