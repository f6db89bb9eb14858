import type { LivenessSignal } from '../../domain/liveness.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { ConsulState } from './observe.ts'
import { datacenterOf, type Federation } from './spec.ts'

/**
 * One vote of each datacenter that answers, about the others. A datacenter that answers through another one lives now.
 * `down` needs that no server of it is alive to Serf any more, which takes up to 45 s after a cut. Between the two
 * stands `unknown`: Serf calls a server alive for that long after it was lost. Pure.
 */
export function livenessSignalsOf(
  component: Federation,
  states: StatesPerSite<ConsulState>,
  site: SiteName,
): LivenessSignal[] {
  const datacenter = datacenterOf(component, site)
  return Object.entries(states).flatMap(([other, seen]): LivenessSignal[] => {
    if (seen.kind !== 'answering') return []
    const from = `Consul of ${other}`
    if (other === site) return [{ from, says: 'up', what: `${datacenter} answers` }]
    if (seen.state.reaches[datacenter] === true)
      return [{ from, says: 'up', what: `${datacenter} answers through ${seen.state.agent.datacenter}` }]
    const { members } = seen.state
    if (members.is === 'unknown') return [{ from, says: 'unknown', what: members.why }]
    const servers = members.value.filter((member) => member.datacenter === datacenter)
    if (servers.length === 0) return [{ from, says: 'unknown', what: `it knows no server of ${datacenter}` }]
    const alive = servers.filter(({ status }) => status !== 'failed' && status !== 'left')
    if (alive.length === 0)
      return [{ from, says: 'down', what: servers.map(({ name, status }) => `${name} ${status}`).join(', ') }]
    return [
      {
        from,
        says: 'unknown',
        what: `${datacenter} does not answer through it, and Serf still calls ${alive.map(({ name }) => name).join(', ')} alive`,
      },
    ]
  })
}
