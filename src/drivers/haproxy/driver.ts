import { sshAddress } from '../../clients/round-trip.ts'
import type { SpecProblem } from '../../domain/declaration.ts'
import { OPERATING } from '../../domain/identities.ts'
import type { Driver } from '../../driver/driver.ts'
import { adaptedStackDriver } from '../../driver/kit/adapter.ts'
import { around } from '../../driver/kit/around.ts'
import type { StackDriver } from '../../driver/kit/capabilities.ts'
import { trafficAssessment } from '../../systems/traffic/assess-traffic.ts'
import { firstValueUnit } from '../../systems/traffic/first-value.ts'
import type { TrafficState } from '../../systems/traffic/load-balancers.ts'
import { trafficActions, trafficMoves } from '../../systems/traffic/move-traffic.ts'
import { observeTraffic } from '../../systems/traffic/observe-traffic.ts'
import { backendFindings } from './assess.ts'
import { codes } from './codes.ts'
import type { InstanceState } from './instance.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { loadBalancers } from './load-balancers.ts'
import { byHand } from './runbook.ts'
import { DEFAULT_CLOSED, type HaproxySpec, haproxySchema } from './spec.ts'

export type HaproxyState = TrafficState<InstanceState>

const actions = trafficActions(loadBalancers, byHand)

/** Traffic through HAProxy: closed on all instances while data moves, then opened to the new site. */
const kit: StackDriver<HaproxySpec, HaproxyState> = {
  kind: 'haproxy',
  scope: 'stack',
  schema: haproxySchema,
  codes,
  claims: (component) =>
    component.spec.instances.map(({ host }, index) => ({
      key: `haproxy ${host} ${component.spec.map} ${component.spec.key}`,
      path: ['instances', String(index)],
    })),
  validate: ({ spec }) => backendProblems(spec.backends, spec.closed ?? DEFAULT_CLOSED),
  levels: ['traffic'],
  access: () => [],
  // Each identity that looks at the stack reads the maps of its load balancers; no way to read them needs less.
  credentials: ({ spec: { ssh } }) =>
    [ssh.privateKey, ssh.knownHosts].map((reference) => ({
      reference,
      identities: OPERATING,
      because: 'logs in to the load balancers',
    })),
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

export const haproxy: Driver<HaproxySpec, HaproxyState> = adaptedStackDriver(kit, around)

/** With one backend for two sites, or one for "closed", no value of the key says which site serves. */
function backendProblems(backends: Readonly<Record<string, string>>, closed: string): SpecProblem[] {
  const sites = Object.entries(backends)
  return sites.flatMap(([site, backend], index): SpecProblem[] => {
    const path = ['backends', site]
    if (backend === closed) return [{ path, what: `${backend} stands for closed doors (closed)` }]
    const other = sites.slice(0, index).find(([, before]) => before === backend)
    return other === undefined
      ? []
      : [{ path, what: `${backend} is the backend of ${other[0]} already: nobody could tell which site serves` }]
  })
}
