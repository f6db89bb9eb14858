import type { LivenessSignal } from '../../domain/liveness.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { ServerState } from './facts.ts'
import { type Database, serverName, siteSpecOf } from './spec.ts'

/**
 * A server that answers lives, and one that a replica streams from does. Neither silence nor a missing stream says
 * `down`: networks break one way. Pure.
 */
export function livenessSignalsOf(
  component: Database,
  states: StatesPerSite<ServerState>,
  site: SiteName,
): LivenessSignal[] {
  const own = states[site]
  const { host } = siteSpecOf(component, site)
  const answers: LivenessSignal[] =
    own?.kind === 'answering'
      ? [{ from: `database ${component.name}`, says: 'up', what: `${serverName(component, site)} answers SQL` }]
      : []
  const streams = Object.entries(states).flatMap(([other, seen]): LivenessSignal[] => {
    if (other === site || seen.kind !== 'answering') return []
    const { receiver } = seen.state
    return receiver?.status === 'streaming' && receiver.host === host
      ? [
          {
            from: `${serverName(component, other)} (streaming)`,
            says: 'up',
            what: `it streams from ${host} at this moment`,
          },
        ]
      : []
  })
  return [...answers, ...streams]
}
