import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { systemClock } from '../../../../src/composition/connect.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import { actionOf, moveStepsOf } from '../../../../src/driver/ask.ts'
import type { Driver, StatesPerSite } from '../../../../src/driver/capabilities.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../../../src/driver/deployment.ts'
import { consul } from '../../../../src/drivers/consul/driver.ts'
import type { ConsulState } from '../../../../src/drivers/consul/observe.ts'
import type { ConsulSpec, Federation } from '../../../../src/drivers/consul/spec.ts'
import { contextOfStep } from '../../../../src/execution/isolate-lost-site.ts'
import { stepPerformer } from '../../../../src/execution/perform-step.ts'
import { onceByKey } from '../../../../src/runtime/once.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { deadlineAfter } from '../../../../src/waiting/deadline.ts'
import { type ConsulWorld, startConsul } from '../../../support/consul/server.ts'
import { eventually } from '../../../support/eventually.ts'
import { performed } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'

jest.setTimeout(180_000)

const SITES = ['dc-a', 'dc-b', 'dc-c'] as SiteName[]
/** dc1 of dc-a. */
const datacenterOf = (site: SiteName): string => `dc${SITES.indexOf(site) + 1}`
const [A, B, C] = SITES as [SiteName, SiteName, SiteName]

/** As docs/drivers/consul.md lists them, for the mover and the deployer. */
const RULES = `
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
operator = "write"
mesh = "write"
query "app" { policy = "write" }
service "app" { policy = "write" }
`

let world: ConsulWorld
let tokens: { readonly mover: string; readonly blind: string }
let component: Federation
beforeAll(async () => {
  world = await startConsul(SITES.map(datacenterOf), { acl: true })
  tokens = { mover: await world.createToken(RULES), blind: await world.createToken('') }
  const spec: ConsulSpec = {
    primary: 'dc-a',
    token: { env: 'CONSUL_TOKEN' },
    sites: Object.fromEntries(
      SITES.map((site) => [
        site,
        { datacenter: datacenterOf(site), servers: [world.datacenter(datacenterOf(site)).url] },
      ]),
    ),
    services: ['app'],
    traffic: {
      queries: { app: { service: 'app' } },
      redirects: { services: ['app'], whenPrimaryIsLost: 'leave' },
    },
    meshGateways: { mode: 'local', mesh: { TransparentProxy: { MeshDestinationsOnly: true } } },
  }
  component = { name: 'federation', driver: 'consul', needs: [], spec } as unknown as Federation
  for (const site of SITES)
    await world.call(datacenterOf(site), 'PUT', 'agent/service/register', { Name: 'app', Port: 8080, Tags: [site] })
}, 120_000)
afterAll(() => world?.stop())

const stack = (): Stack => ({ ...toyStack, sites: SITES.map((name) => ({ name, platforms: {} })) }) as unknown as Stack

function context(token = tokens.mover): DriverContext {
  const { signal } = new AbortController()
  return {
    stack: stack(),
    signal,
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    credential: async () => token,
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
    once: onceByKey(),
  } as unknown as DriverContext
}

const observe = async (token?: string): Promise<StatesPerSite<ConsulState>> => {
  const seen = SITES.map(async (site) => [site, await consul.observe(component, site, context(token))] as const)
  return Object.fromEntries(await Promise.all(seen))
}
const stateAt = (states: Readonly<Record<string, Observed<ConsulState>>>, site: SiteName): ConsulState => {
  const seen = states[site]
  if (seen?.kind !== 'answering') throw new Error(`${site} is ${seen?.kind}: ${seen?.why}`)
  return seen.state
}
const codesIn = (states: StatesPerSite<ConsulState>): string[] => {
  const around = { now: new Date().toISOString(), objectives: stack().objectives, activeSite: 'dc-a', stack: stack() }
  return [...new Set(consul.assess.status(component, states, around).map(({ code }) => code))].sort()
}

/** Each unit of a deploy to this active site: compared, applied where it differs, and ready. */
async function deploy(activeSite: SiteName): Promise<Change[]> {
  const deployment: Deployment = {
    activeSite,
    roleOf: (site) => (site === activeSite ? 'active' : 'passive'),
    observed: {},
    epoch: 1,
    adopt: false,
  }
  const { signal } = new AbortController()
  const changes: Change[] = []
  for (const site of SITES)
    for (const unit of (await consul.deploys?.deploy(component, site, deployment, context())) ?? [])
      changes.push(...(await applied(unit, signal)))
  return changes
}
async function applied(unit: DeployUnit, signal: AbortSignal): Promise<Change[]> {
  const changes = await unit.diff(signal)
  if (changes.length > 0) await unit.apply(signal)
  expect(await unit.ready(signal)).toMatchObject({ is: 'done' })
  return changes
}

/** As a run performs it, in the isolation of a failover. */
async function perform(intent: Intent, action: string, states: StatesPerSite<ConsulState>): Promise<JsonObject> {
  const driver = consul as unknown as Driver
  const planned = moveStepsOf(driver, component as never, states, intent, stack())
  const step = planned.find((one) => one.action === action) as PlannedStep
  const signal = AbortSignal.timeout(60_000)
  const performer = stepPerformer(
    (actionOf(driver, action) ?? { behaviour: undefined as never }).behaviour,
    {
      step,
      component: component as never,
      site: step.site,
      intent,
      context: contextOfStep(context(), intent, step),
      signal,
      begunAt: new Date().toISOString(),
      applied: false,
      pastReturn: false,
      proofOf: () => null,
    },
    {
      clock: systemClock,
      signal,
      deadline: deadlineAfter(60_000),
      waiting: () => undefined,
      assertOurs: async () => undefined,
    },
  )
  return (await performed(performer)).proof
}

/** The datacenter whose instances the query of each datacenter answers with; null: it returns none. */
const answers = async (...of: readonly SiteName[]): Promise<(string | null)[]> =>
  Promise.all(
    of.map(async (site) => {
      const datacenter = datacenterOf(site)
      const found = (await world.call(datacenter, 'GET', 'query/app/execute')) as {
        readonly Datacenter: string
        readonly Nodes: readonly unknown[]
      }
      return found.Nodes.length === 0 ? null : found.Datacenter
    }),
  )
const redirect = async (): Promise<unknown> =>
  ((await world.call('dc1', 'GET', 'config/service-resolver/app')) as { readonly Redirect: unknown }).Redirect

// The tests follow one another: a federation is deployed, moved, and loses its primary datacenter.
describe('three federated datacenters of real Consul with ACLs', () => {
  test('a deploy writes queries, redirect and entries of the mesh once, and finds nothing to do afterwards', async () => {
    const changes = await deploy(A)
    expect(changes.map(({ kind, object }) => `${kind} ${object}`).sort()).toEqual([
      'create dc1/query/app',
      'create dc2/query/app',
      'create dc3/query/app',
      'create mesh/mesh',
      'create proxy-defaults/global',
      'create service-resolver/app',
    ])
    expect(await deploy(A)).toEqual([])
    expect(await answers(A, B, C)).toEqual(['dc1', 'dc1', 'dc1'])
  })

  test('the observation knows leaders, members, autopilot, token and services of each datacenter', async () => {
    const states = await observe()
    for (const site of SITES) {
      const state = stateAt(states, site)
      expect(state.agent).toMatchObject({ datacenter: datacenterOf(site), primaryDatacenter: 'dc1' })
      expect(state.leader).toMatchObject({ is: 'known', value: expect.stringContaining('127.0.0.1') })
      expect(state.autopilot).toMatchObject({ is: 'known', value: { failureTolerance: 0 } })
      expect(state.token).toMatchObject({ is: 'known' })
      expect(state.services.app).toMatchObject({ is: 'known', value: [{ status: 'passing', tags: [site] }] })
      expect(state.queries).toMatchObject({ is: 'known', value: { app: { leads: 'dc1' } } })
      expect(Object.values(state.reaches)).toEqual([true, true])
    }
    // One server each, and no mesh gateway yet: nothing else is wrong.
    expect(codesIn(states)).toEqual(['consul-no-mesh-gateway', 'consul-no-tolerance'])
  })

  test('a token without rights makes everything unknown, and nothing down', async () => {
    const states = await observe(tokens.blind)
    for (const site of SITES)
      expect(states[site]).toMatchObject({ kind: 'silent', why: expect.stringContaining('403') })
    for (const site of SITES) expect(consul.liveness?.signals(component, states, site)).toEqual([])
  })

  test('a server that hangs hides no other one of its datacenter, and is named', async () => {
    const hanging = createServer(() => undefined)
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`
    const { sites } = component.spec
    const declared = { ...sites, 'dc-b': { ...sites['dc-b'], servers: [url, ...(sites['dc-b']?.servers ?? [])] } }
    try {
      const seen = await consul.observe(
        { ...component, spec: { ...component.spec, sites: declared as ConsulSpec['sites'] } },
        B,
        context(),
      )
      expect(Object.keys(stateAt({ 'dc-b': seen }, B).silentServers)).toEqual([url])
    } finally {
      hanging.closeAllConnections()
      await new Promise((resolve) => hanging.close(resolve))
    }
  })

  test('a mesh gateway of each datacenter is listed with its health', async () => {
    for (const site of SITES)
      await world.call(datacenterOf(site), 'PUT', 'agent/service/register', {
        Kind: 'mesh-gateway',
        Name: 'mesh-gateway',
        Port: 8443,
        Proxy: {},
        ...(site === 'dc-c' ? { Check: { TTL: '1h', Status: 'critical', Notes: 'no proxy runs here' } } : {}),
      })
    const states = await observe()
    expect(stateAt(states, A).gateways).toMatchObject({
      is: 'known',
      value: [{ kind: 'mesh-gateway', status: 'passing' }],
    })
    const around = { now: new Date().toISOString(), objectives: stack().objectives, activeSite: 'dc-a', stack: stack() }
    expect(
      consul.assess.status(component, states, around).filter(({ severity }) => severity === 'warning'),
    ).toMatchObject([{ code: 'consul-no-mesh-gateway', site: 'dc-c' }])
  })

  test('a switchover closes all look-ups, and then leads them and the redirect to the new site', async () => {
    const intent: Intent = { mode: 'switchover', from: A, to: B }
    const states = await observe()
    await perform(intent, 'close', states)
    expect(await answers(A, B, C)).toEqual([null, null, null])
    expect(await redirect()).toEqual({ Service: 'standby-closed' })
    await perform(intent, 'switch', states)
    expect(await answers(A, B, C)).toEqual(['dc2', 'dc2', 'dc2'])
    expect(await redirect()).toEqual({ Datacenter: 'dc2' })
    // And back: the next tests lose the active site, which has the primary datacenter.
    await perform({ mode: 'switchover', from: B, to: A }, 'close', await observe())
    await perform({ mode: 'switchover', from: B, to: A }, 'switch', await observe())
    expect(await answers(A, B, C)).toEqual(['dc1', 'dc1', 'dc1'])
  })

  test('a deploy repairs a query of other hands, and leaves where it leads alone', async () => {
    const [query] = (await world.call('dc2', 'GET', 'query')) as { readonly ID: string }[]
    await world.call('dc2', 'PUT', `query/${query?.ID}`, { Name: 'app', Service: { Service: 'something-else' } })
    expect(codesIn(await observe())).toContain('consul-query-differs')
    expect((await deploy(A)).map(({ kind, object }) => `${kind} ${object}`)).toEqual(['update dc2/query/app'])
    // The witness names another site than the one that is led to: that is a move's business.
    expect(await deploy(B)).toEqual([])
    expect(await answers(A, B, C)).toEqual(['dc1', 'dc1', 'dc1'])
  })

  test('with the primary datacenter cut, queries are flipped and no configuration entry can be', async () => {
    await world.datacenter('dc1').freeze()
    const states = await observe()
    expect(states['dc-a']).toMatchObject({ kind: 'silent' })
    const seen = (consul.liveness?.signals(component, states, A) ?? []).map(({ from, says }) => `${from}: ${says}`)
    // Serf has not noticed yet: no vote, in either direction.
    expect(seen).toEqual(['Consul of dc-b: unknown', 'Consul of dc-c: unknown'])
    const intent: Intent = { mode: 'failover', from: A, to: B }
    const around = { now: new Date().toISOString(), objectives: stack().objectives, activeSite: 'dc-a', stack: stack() }
    const findings = consul.assess.moves?.failover?.(component, states, intent, around) ?? []
    expect(findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
    expect(findings.map(({ code }) => code)).toContain('consul-redirect-out-of-reach')
    const begun = performance.now()
    await perform(intent, 'close', states)
    const proof = await perform(intent, 'switch', states)
    expect(performance.now() - begun).toBeLessThan(20_000)
    expect(proof).toMatchObject({ leftOut: [{ host: 'dc-a' }, { host: 'redirect of app' }] })
    expect(await answers(B, C)).toEqual(['dc2', 'dc2'])
    const entry = { Kind: 'service-resolver', Name: 'app', Redirect: { Datacenter: 'dc2' } }
    await expect(world.call('dc2', 'PUT', 'config', entry)).rejects.toThrow('500')
  })

  test('two datacenters say down of the third one once Serf has lost it, and a 500 never does', async () => {
    const signals = async (): Promise<string[]> =>
      (consul.liveness?.signals(component, await observe(), A) ?? []).map(({ says }) => says)
    const seen = new Set<string>()
    await eventually(
      'both datacenters to have lost dc1',
      async () => {
        const now = await signals()
        for (const says of now) seen.add(says)
        return now.every((says) => says === 'down')
      },
      120_000,
    )
    expect(seen.has('up')).toBe(false)
    const states = await observe()
    expect(codesIn(states)).toEqual(expect.arrayContaining(['consul-members-lost', 'consul-silent']))
    // The catalogue goes on listing what is lost.
    expect(await world.call('dc2', 'GET', 'catalog/datacenters')).toContain('dc1')
  })

  test('a site that comes back is led to the active one by the rejoin, with its redirect', async () => {
    world.datacenter('dc1').thaw()
    await eventually('dc1 to answer through the others', async () => {
      const states = await observe()
      return SITES.every(
        (site) => states[site]?.kind === 'answering' && Object.values(stateAt(states, site).reaches).every(Boolean),
      )
    })
    expect(await answers(A)).toEqual(['dc1'])
    await perform({ mode: 'rejoin', from: B, to: A }, 'hold', await observe())
    expect(await answers(A, B, C)).toEqual(['dc2', 'dc2', 'dc2'])
    expect(await redirect()).toEqual({ Datacenter: 'dc2' })
  })
})
