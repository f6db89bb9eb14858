import { sshAddress } from '../../clients/round-trip.ts'
import type { SpecProblem } from '../../domain/declaration.ts'
import { OPERATING } from '../../domain/identities.ts'
import type { Driver } from '../../driver/driver.ts'
import { assessTraffic } from './assess.ts'
import { firstValueUnit } from './deploy.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { type HaproxyState, observeTraffic } from './observe.ts'
import { manualStep } from './runbook.ts'
import { DEFAULT_CLOSED, type HaproxySpec, haproxySchema } from './spec.ts'
import { close, closeStep, open, patienceVaries, stay, stayStep, switchStep } from './switch.ts'

/** Traffic through HAProxy: closed on all instances while the data changes hands, then opened to the new site. */
export const haproxy: Driver<HaproxySpec, HaproxyState> = {
  kind: 'haproxy',
  scope: 'stack',
  schema: haproxySchema,
  claims: (component) =>
    component.spec.instances.map(({ host }, index) => ({
      key: `haproxy ${host} ${component.spec.map} ${component.spec.key}`,
      path: ['instances', String(index)],
    })),
  validate: ({ spec }) => backendProblems(spec.backends, spec.closed ?? DEFAULT_CLOSED),
  reaches: () => ['traffic'],
  access: () => [],
  // Whoever looks at the stack reads the maps of its load balancers; there is no way to read them with less.
  credentials: ({ spec: { ssh } }) =>
    [ssh.privateKey, ssh.knownHosts].map((reference) => ({
      reference,
      identities: OPERATING,
      because: 'logs in to the load balancers',
    })),
  addresses: ({ spec: { instances, ssh } }) => instances.map(({ host }) => sshAddress(host, ssh.port)),
  observe: (component, _site, context) => observeTraffic(component, context),
  assess: assessTraffic,
  deploy: async (component, _site, deployment, context) => [firstValueUnit(component, deployment, context)],
  move: (component, states, intent) => [closeStep(component, intent, states), switchStep(component, intent, states)],
  rejoin: (component, _states, intent) => [stayStep(component, intent)],
  reopen: (component, states, intent) => [switchStep(component, intent, states)],
  sees: livenessSignalsOf,
  manual: manualStep,
  varying: { close: { mayBeLost: patienceVaries }, switch: { mayBeLost: patienceVaries } },
  behaviours: { close, switch: open, stay },
}

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
