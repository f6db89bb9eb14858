import { askOverHttp, type HttpRequest } from '../../src/clients/http-question.ts'
import { systemClock } from '../../src/composition/connect.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import type { Deployment } from '../../src/driver/deployment.ts'
import type { HaproxySpec, Traffic } from '../../src/drivers/haproxy/spec.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { seconds } from '../../src/values/duration.ts'
import type { Behaviour, FlatRun } from './flat/behaviour.ts'
import type { FlatContext } from './flat/context.ts'
import { haproxy } from './flat/drivers.ts'
import { type LoadBalancerHost, MAP, SOCKET } from './load-balancer.ts'
import { toyStack } from './toy-stack.ts'

export const [from, to] = ['dc-a', 'dc-b'] as unknown as readonly [SiteName, SiteName]
export const switchover: Intent = { mode: 'switchover', from, to }
export const failover: Intent = { mode: 'failover', from, to }
/** After that failover: the former active site becomes a passive one. */
export const rejoin: Intent = { mode: 'rejoin', from: to, to: from }

const behaviour = (action: string): Behaviour<HaproxySpec> => {
  const found = haproxy.behaviours[action]
  if (found === undefined) throw new Error(`haproxy performs no ${action}`)
  return found
}
export const [close, open, hold] = [behaviour('close'), behaviour('switch'), behaviour('hold')]

/** The steps of a move that was planned without a look at the load balancers. */
const stepsOf = (component: Traffic, intent: Intent): readonly [PlannedStep, PlannedStep] => {
  const [closing, opening] = haproxy.move?.(component, {}, intent, toyStack) ?? []
  if (closing === undefined || opening === undefined) throw new Error('no steps')
  return [closing, opening]
}
export const closeStep = (component: Traffic, intent: Intent): PlannedStep => stepsOf(component, intent)[0]
export const switchStep = (component: Traffic, intent: Intent): PlannedStep => stepsOf(component, intent)[1]

/** A traffic component over hosts by name. */
export function trafficOver(
  urls: Readonly<Record<string, string>>,
  more: Partial<HaproxySpec> = {},
  sites: Readonly<Record<string, string>> = {},
): Traffic {
  return {
    name: 'traffic',
    driver: 'haproxy',
    needs: [],
    spec: {
      map: MAP,
      key: 'active',
      socket: SOCKET,
      backends: { 'dc-a': 'dc-a', 'dc-b': 'dc-b' },
      instances: Object.entries(urls).map(([host, url]) => ({
        host,
        url,
        ...(sites[host] === undefined ? {} : { site: sites[host] }),
      })),
      ssh: { user: 'standby', privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' } },
      verify: { header: 'X-Standby-Site', answers: 3 },
      ...more,
    },
  }
}

/** The part of a context that this driver uses, over hosts without ssh. */
export function contextOver(hosts: Readonly<Record<string, LoadBalancerHost>>): FlatContext {
  return {
    stack: toyStack,
    signal: AbortSignal.timeout(seconds(60)),
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    credential: async () => 'credential',
    http: (request: HttpRequest) => askOverHttp(request),
    ssh: ({ host }: { readonly host: string }) => {
      const found = hosts[host]
      if (found === undefined) throw siteError('ssh-unreachable', `there is no host ${host}`)
      return found.runner
    },
  } as unknown as FlatContext
}

export function runOf(
  component: Traffic,
  step: PlannedStep,
  context: FlatContext,
  intent: Intent = switchover,
): FlatRun<HaproxySpec> {
  return {
    step,
    component,
    intent,
    context,
    signal: context.signal,
    begunAt: new Date().toISOString(),
    applied: false,
    proofOf: () => null,
  }
}

export const deploymentTo = (activeSite: SiteName): Deployment => ({
  activeSite,
  roleOf: (site) => (site === activeSite ? 'active' : 'passive'),
  observed: {},
  epoch: 1,
  adopt: false,
})
