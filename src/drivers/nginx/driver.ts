import { sshAddress } from '../../clients/round-trip.ts'
import type { StackDriver } from '../../driver/capabilities.ts'
import { trafficAssessment } from '../../systems/traffic/assess-traffic.ts'
import { ambiguousValues } from '../../systems/traffic/declaration.ts'
import { firstValueUnit } from '../../systems/traffic/first-value.ts'
import { loginUses } from '../../systems/traffic/hosts.ts'
import type { TrafficState } from '../../systems/traffic/load-balancers.ts'
import { trafficActions, trafficMoves } from '../../systems/traffic/move-traffic.ts'
import { observeTraffic } from '../../systems/traffic/observe-traffic.ts'
import { codes } from './codes.ts'
import type { InstanceState } from './instance.ts'
import { loadBalancers } from './load-balancers.ts'
import { byHand } from './runbook.ts'
import { closedValue, type NginxSpec, nginxSchema } from './spec.ts'

export type NginxState = TrafficState<InstanceState>

const actions = trafficActions(loadBalancers, byHand)

/** Traffic through NGINX: closed on all instances while data moves, then opened to the new site. */
export const nginx: StackDriver<NginxSpec, NginxState> = {
  kind: 'nginx',
  scope: 'stack',
  schema: nginxSchema,
  codes,
  claims: ({ spec }) =>
    spec.instances.map(({ host }, index) => ({
      key: `nginx ${host} ${spec.file} ${spec.variable}`,
      path: ['instances', String(index)],
    })),
  validate: (component) =>
    ambiguousValues('upstreams', component.spec.upstreams, closedValue(component), 'is the upstream of'),
  levels: ['traffic'],
  access: () => [],
  credentials: ({ spec }) => loginUses(spec),
  addresses: ({ spec: { instances, ssh } }) => instances.map(({ host }) => sshAddress(host, ssh.port)),
  observe: (component, context) => observeTraffic(loadBalancers, component, context),
  assess: trafficAssessment(loadBalancers, () => []),
  deploys: {
    deploy: async (component, _place, deployment, context) => [
      firstValueUnit(loadBalancers, component, deployment, context),
    ],
  },
  moves: trafficMoves(loadBalancers, actions),
  actions: [actions.close, actions.open, actions.hold],
}
