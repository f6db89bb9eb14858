import type { LivenessSignal } from '../../domain/liveness.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { answeringIn, type PatroniState, standbyLeaderIn } from './observe.ts'
import { clusterNamed, type Database } from './spec.ts'

/**
 * Replication as a vantage point: a standby leader that streams has had an answer of its primary within
 * `wal_receiver_timeout`. A stream that is missing says nothing. Members of the site that answer show that it lives.
 * Pure.
 */
export function livenessSignalsOf(
  component: Database,
  states: StatesPerSite<PatroniState>,
  site: SiteName,
): LivenessSignal[] {
  const cluster = clusterNamed(component, site)
  return Object.entries(states).flatMap(([other, seen]): LivenessSignal[] => {
    if (seen.kind !== 'answering') return []
    const { state } = seen
    if (other === site) {
      const answering = answeringIn(state)
      if (answering.length === 0) return []
      const verb = answering.length === 1 ? 'answers' : 'answer'
      const what = `${answering.map(({ name }) => name).join(', ')} ${verb}`
      return [{ from: `Patroni of ${site}`, says: 'up', what }]
    }
    const leader = standbyLeaderIn(state)
    return state.follows === site && leader?.replication === 'streaming'
      ? [
          {
            from: `${state.cluster} (streaming)`,
            says: 'up',
            what: `it streams from ${cluster} at this moment`,
          },
        ]
      : []
  })
}
