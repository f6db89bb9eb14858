import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { haproxy } from '../../../../src/drivers/haproxy/driver.ts'
import type { HaproxyState } from '../../../../src/drivers/haproxy/observe.ts'
import type { Traffic } from '../../../../src/drivers/haproxy/spec.ts'
import { close, stay } from '../../../../src/drivers/haproxy/switch.ts'
import { EVERYWHERE, type Observed } from '../../../../src/observation/observation.ts'
import type { Behaviour, DriverContext, Sighting, StepRun } from '../../../../src/planning/driver.ts'
import { orderProblems } from '../../../../src/planning/order-steps.ts'
import type { PlannedStep } from '../../../../src/planning/plan.ts'
import { type LoadBalancerHost, MAP, type Origin, SOCKET, startLoadBalancerHost, startOrigin } from '../../../support/load-balancer.ts'
import { performStep } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { contextOver, failover, from, rejoin, runOf, to, trafficOver } from '../../../support/traffic.ts'

jest.setTimeout(30_000)

/** dc-a is lost: nothing stands behind its backend any more. */
let survivor: Origin
let hosts: Readonly<Record<'lb-1' | 'lb-2', LoadBalancerHost>>
let traffic: Traffic
let context: DriverContext

beforeAll(async () => {
  const lost = await startOrigin()
  survivor = await startOrigin()
  const ports = { 'dc-a': lost.port, 'dc-b': survivor.port }
  lost.close()
  const [one, two] = await Promise.all([startLoadBalancerHost(ports), startLoadBalancerHost(ports)])
  hosts = { 'lb-1': one, 'lb-2': two }
  traffic = trafficOver({ 'lb-1': one.url, 'lb-2': two.url })
  context = contextOver(hosts)
}, 600_000)
afterAll(async () => {
  await Promise.all(Object.values(hosts).map((host) => host.stop()))
  survivor.close()
})
const put = (host: LoadBalancerHost, value: string): string =>
  host.shell(`echo 'active ${value}' > ${MAP}; echo 'set map ${MAP} active ${value}' | socat - UNIX-CONNECT:${SOCKET}`)
beforeEach(() => {
  for (const host of Object.values(hosts)) {
    host.unplugged = false
    put(host, 'dc-a')
  }
})

const observed = async () => ({ [EVERYWHERE]: (await haproxy.observe(traffic, null, context)) as Observed<HaproxyState> })
const perform = (behaviour: Behaviour<Traffic['spec']> | undefined, step: PlannedStep, intent = failover) =>
  performStep(behaviour as unknown as Behaviour, runOf(traffic, step, context, intent) as unknown as StepRun)
async function planned(): Promise<readonly [PlannedStep, PlannedStep]> {
  const [closing, opening] = haproxy.move?.(traffic, await observed(), failover, toyStack) ?? []
  if (closing === undefined || opening === undefined) throw new Error('no steps')
  return [closing, opening]
}

describe('a failover of the traffic', () => {
  test('has no step of the lost site, closes first, and says which level of the fence that is', async () => {
    const steps = await planned()
    expect(steps.map(({ id, phase, site, fence }) => ({ id, phase, site, fence }))).toEqual([
      { id: 'traffic.close', phase: 'DRAIN', site: null, fence: 'traffic' },
      { id: 'traffic.switch@dc-b', phase: 'TRAFFIC', site: 'dc-b', fence: undefined },
    ])
    expect(orderProblems(steps)).toEqual([])
  })

  test('waits for nothing of the lost site, and ends with users on the new one', async () => {
    const [closing, opening] = await planned()
    const began = performance.now()
    expect((await perform(close, closing)).proof).toMatchObject({ instances: [{ sessions: 0 }, { sessions: 0 }] })
    expect(performance.now() - began).toBeLessThan(3_000)
    expect((await perform(haproxy.behaviours.switch, opening)).proof).toMatchObject({ value: 'dc-b', verified: true })
  })

  test('that is taken back gives each load balancer what it had, and does not wait for a site that served nobody', async () => {
    put(hosts['lb-2'], 'be_none')
    const [closing] = await planned()
    await perform(close, closing)
    const run = runOf(traffic, closing, context, failover)
    await close.undo?.(run)
    expect(await close.undone?.(run)).toMatchObject({ is: 'done', proof: { instances: [{ runtime: 'dc-a' }, { runtime: 'be_none' }] } })
  })
})

describe('a rejoin of the traffic', () => {
  test('takes no user anywhere, and asserts that the serving site serves', async () => {
    for (const host of Object.values(hosts)) put(host, 'dc-b')
    const [step, ...more] = haproxy.rejoin?.(traffic, await observed(), rejoin, toyStack) ?? []
    if (step === undefined) throw new Error('no step')
    expect(more).toEqual([])
    expect(step).toMatchObject({ id: 'traffic.stay@dc-b', phase: 'PREFLIGHT' })
    expect((await perform(stay, step, rejoin)).proof).toMatchObject({ value: 'dc-b', verified: true })
  })

  test('is not content while one load balancer sends its users to the former site', async () => {
    put(hosts['lb-1'], 'dc-b')
    const [step] = haproxy.rejoin?.(traffic, await observed(), rejoin, toyStack) ?? []
    if (step === undefined) throw new Error('no step')
    expect(await stay.done(runOf(traffic, step, context, rejoin))).toEqual({ is: 'pending', waitingFor: 'lb-2 to hold dc-b' })
  })
})

describe('what the load balancers see of a site', () => {
  const says = (sightings: readonly Sighting[]) => sightings.map((one) => `${one.from}: ${one.says}`)

  test('is asked of each of them: a site without an answer is down, one that answers is up, and an instance that is gone says nothing', async () => {
    await new Promise((resolve) => setTimeout(resolve, 800))
    const both = await observed()
    expect(says(haproxy.sees?.(traffic, both, from) ?? [])).toEqual(['load balancer lb-1: down', 'load balancer lb-2: down'])
    expect(says(haproxy.sees?.(traffic, both, to) ?? [])).toEqual(['load balancer lb-1: up', 'load balancer lb-2: up'])
    expect(haproxy.sees?.(traffic, both, from)[0]?.what).toBe('the health check of dc-a/dc-a-1 says L4CON')
    hosts['lb-1'].unplugged = true
    expect(says(haproxy.sees?.(traffic, await observed(), from) ?? [])).toEqual(['load balancer lb-2: down'])
  })

  test.each([
    // Any answer is a sign of life, however bad.
    [{ up: true, check: 'L7OK' }, 'up'],
    [{ up: false, check: 'L7STS' }, 'up'],
    [{ up: false, check: 'L7RSP' }, 'up'],
    [{ up: false, check: 'L4TOUT' }, 'down'],
    [{ up: false, check: 'L4CON' }, 'down'],
    [{ up: false, check: 'L7TOUT' }, 'down'],
    // Not given up yet, never checked, or told not to be asked: nobody knows.
    [{ up: true, check: 'L4TOUT' }, undefined],
    [{ up: true, check: '' }, undefined],
    [{ up: true, check: 'INI' }, undefined],
    [{ up: false, check: '' }, undefined],
  ])('%j is %s', (server, expected) => {
    const backends = { 'dc-a': { sessions: 0, servers: [{ name: 'one', ...server }] } }
    const state: HaproxyState = { instances: { 'lb-1': { kind: 'answering', runtime: 'dc-a', file: 'dc-a', backends } } }
    const seen = { kind: 'answering', state, role: 'unknown', health: 'healthy', text: '', facts: [] } satisfies Observed
    expect(haproxy.sees?.(traffic, { [EVERYWHERE]: seen }, from)[0]?.says).toBe(expected)
  })
})
