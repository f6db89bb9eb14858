import type { LivenessSignal } from '../../domain/liveness.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { SeenTraffic } from '../../systems/traffic/load-balancers.ts'
import type { InstanceState, Server } from './instance.ts'
import type { Traffic } from './spec.ts'

/**
 * The liveness signals of a site by the health checks of each load balancer. Any answer is a sign of life, also an
 * error of the application. Only silence counts as down, and only once HAProxy itself calls the server down. Without a
 * completed check there is no signal.
 */
export function livenessSignalsOf(
  component: Traffic,
  seen: SeenTraffic<InstanceState>,
  site: SiteName,
): LivenessSignal[] {
  const backend = component.spec.backends[site]
  if (seen.kind !== 'answering' || backend === undefined) return []
  return Object.entries(seen.state.instances).flatMap(([host, view]): LivenessSignal[] => {
    const servers = view.kind === 'answering' ? (view.backends[backend]?.servers ?? []) : []
    const alive = servers.find(answers)
    const dead = servers.find(givenUp)
    const from = `load balancer ${host}`
    const of = ({ name, check }: Server): string => `the health check of ${backend}/${name} says ${check}`
    if (alive !== undefined) return [{ from, says: 'up', what: of(alive) }]
    return dead === undefined ? [] : [{ from, says: 'down', what: of(dead) }]
  })
}

/**
 * Codes of HAProxy's management guide, 9.1 (check_status). L7STS and L7RSP: something answered, though not as the check
 * wants it.
 */
const answers = ({ check }: Server): boolean => /^(L[467]OK|L7OKC|L7STS|L7RSP|L6RSP)/.test(check)
const givenUp = ({ check, up }: Server): boolean => !up && /^(L4TOUT|L4CON|L6TOUT|L7TOUT)/.test(check)
