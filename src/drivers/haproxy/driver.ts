import { sshAddress } from '../../clients/round-trip.ts'
import type { StackDriver } from '../../driver/capabilities.ts'
import { trafficAssessment } from '../../systems/traffic/assess-traffic.ts'
import { ambiguousValues } from '../../systems/traffic/declaration.ts'
import { firstValueUnit } from '../../systems/traffic/first-value.ts'
import { loginUses } from '../../systems/traffic/hosts.ts'
import type { TrafficState } from '../../systems/traffic/load-balancers.ts'
import { trafficActions, trafficMoves } from '../../systems/traffic/move-traffic.ts'
import { observeTraffic } from '../../systems/traffic/observe-traffic.ts'
import { backendFindings } from './assess.ts'
import { codes } from './codes.ts'
import type { InstanceState } from './instance.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { loadBalancers } from './load-balancers.ts'
import { byHand } from './runbook.ts'
import { closedValue, type HaproxySpec, haproxySchema } from './spec.ts'

export type HaproxyState = TrafficState<InstanceState>

const actions = trafficActions(loadBalancers, byHand)

/** Traffic through HAProxy: closed on all instances while data moves, then opened to the new site. */
export const haproxy: StackDriver<HaproxySpec, HaproxyState> = {
  kind: 'haproxy',
  scope: 'stack',
  schema: haproxySchema,
  codes,
  claims: (component) =>
    component.spec.instances.map(({ host }, index) => ({
      key: `haproxy ${host} ${component.spec.map} ${component.spec.key}`,
      path: ['instances', String(index)],
    })),
  validate: (component) =>
    ambiguousValues('backends', component.spec.backends, closedValue(component), 'is the backend of'),
  levels: ['traffic'],
  access: () => [],
  credentials: ({ spec }) => loginUses(spec),
  addresses: ({ spec: { instances, ssh } }) => instances.map(({ host }) => sshAddress(host, ssh.port)),
  observe: (component, context) => observeTraffic(loadBalancers, component, context),
  assess: trafficAssessment(loadBalancers, backendFindings),
  deploys: {
    deploy: async (component, _place, deployment, context) => [
      firstValueUnit(loadBalancers, component, deployment, context),
    ],
  },
  moves: trafficMoves(loadBalancers, actions),
  liveness: { signals: livenessSignalsOf },
  actions: [actions.close, actions.open, actions.hold],
}
