import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { LivenessSignal } from '../../../../src/domain/liveness.ts'
import { EVERYWHERE, type Observed } from '../../../../src/domain/observed.ts'
import type { PlannedStep } from '../../../../src/domain/plan.ts'
import type { HaproxyState } from '../../../../src/drivers/haproxy/driver.ts'
import type { Traffic } from '../../../../src/drivers/haproxy/spec.ts'
import { orderProblems } from '../../../../src/planning/order-steps.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { haproxy } from '../../../support/flat/drivers.ts'
import {
  type LoadBalancerHost,
  MAP,
  type Origin,
  SOCKET,
  startLoadBalancerHost,
  startOrigin,
} from '../../../support/load-balancer.ts'
import { performStep } from '../../../support/perform-step.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import {
  close,
  contextOver,
  failover,
  from,
  hold,
  open,
  rejoin,
  runOf,
  to,
  trafficOver,
} from '../../../support/traffic.ts'

jest.setTimeout(30_000)

/** dc-a is lost: no server of its backend answers any more. */
let survivor: Origin
let hosts: Readonly<Record<'lb-1' | 'lb-2', LoadBalancerHost>>
let traffic: Traffic
let context: FlatContext

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

const observed = async () => ({
  [EVERYWHERE]: (await haproxy.observe(traffic, null, context)) as Observed<HaproxyState>,
})
const perform = (behaviour: Behaviour<Traffic['spec']> | undefined, step: PlannedStep, intent = failover) =>
  performStep(behaviour as unknown as Behaviour, runOf(traffic, step, context, intent) as unknown as FlatRun)
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
    const took = awakeClock()
    expect((await perform(close, closing)).proof).toMatchObject({ instances: [{ sessions: 0 }, { sessions: 0 }] })
    expect(took()).toBeLessThan(3_000)
    expect((await perform(open, opening)).proof).toMatchObject({ value: 'dc-b', verified: true })
  })

  test('that is taken back gives each load balancer what it had, and does not wait for a site that served no users', async () => {
    put(hosts['lb-2'], 'be_none')
    const [closing] = await planned()
    await perform(close, closing)
    const run = runOf(traffic, closing, context, failover)
    await close.undo?.(run)
    expect(await close.undone?.(run)).toMatchObject({
      is: 'done',
      proof: { instances: [{ runtime: 'dc-a' }, { runtime: 'be_none' }] },
    })
  })
})

describe('a rejoin of the traffic', () => {
  test('takes no user anywhere, and asserts that the serving site serves', async () => {
    for (const host of Object.values(hosts)) put(host, 'dc-b')
    const [step, ...more] = haproxy.rejoin?.(traffic, await observed(), rejoin, toyStack) ?? []
    if (step === undefined) throw new Error('no step')
    expect(more).toEqual([])
    expect(step).toMatchObject({ id: 'traffic.hold@dc-b', phase: 'PREFLIGHT' })
    expect((await perform(hold, step, rejoin)).proof).toMatchObject({ value: 'dc-b', verified: true })
  })

  test('is not content while one load balancer sends its users to the former site', async () => {
    put(hosts['lb-1'], 'dc-b')
    const [step] = haproxy.rejoin?.(traffic, await observed(), rejoin, toyStack) ?? []
    if (step === undefined) throw new Error('no step')
    expect(await hold.done(runOf(traffic, step, context, rejoin))).toEqual({
      is: 'pending',
      waitingFor: 'lb-2 to hold dc-b',
    })
  })
})

describe('what the load balancers see of a site', () => {
  const says = (sightings: readonly LivenessSignal[]) => sightings.map((one) => `${one.from}: ${one.says}`)

  test('is asked of each of them: a site without an answer is down, one that answers is up, and an instance that is gone says nothing', async () => {
    await new Promise((resolve) => setTimeout(resolve, 800))
    const both = await observed()
    expect(says(haproxy.sees?.(traffic, both, from) ?? [])).toEqual([
      'load balancer lb-1: down',
      'load balancer lb-2: down',
    ])
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
    // Not given up yet, never checked, or checks are off: unknown.
    [{ up: true, check: 'L4TOUT' }, undefined],
    [{ up: true, check: '' }, undefined],
    [{ up: true, check: 'INI' }, undefined],
    [{ up: false, check: '' }, undefined],
  ])('%j is %s', (server, expected) => {
    const backends = { 'dc-a': { sessions: 0, servers: [{ name: 'one', ...server }] } }
    const state: HaproxyState = {
      instances: { 'lb-1': { kind: 'answering', runtime: 'dc-a', file: 'dc-a', backends } },
    }
    const seen = {
      kind: 'answering',
      state,
      role: 'unknown',
      health: 'healthy',
      text: '',
      facts: [],
    } satisfies Observed
    expect(haproxy.sees?.(traffic, { [EVERYWHERE]: seen }, from)[0]?.says).toBe(expected)
  })
})

describe('load balancers that stand in the lost site', () => {
  const [lost, kept] = ['lb-1', 'lb-2'] as const
  const standing = (): Traffic =>
    trafficOver({ 'lb-1': hosts['lb-1'].url, 'lb-2': hosts['lb-2'].url }, {}, { 'lb-1': 'dc-a' })
  const seenOf = async (component: Traffic) => ({
    [EVERYWHERE]: (await haproxy.observe(component, null, context)) as Observed<HaproxyState>,
  })
  const run = (component: Traffic, step: PlannedStep, intent = failover) =>
    runOf(component, step, context, intent) as unknown as FlatRun & FlatRun<Traffic['spec']>
  const performAs = (
    component: Traffic,
    behaviour: Behaviour<Traffic['spec']> | undefined,
    step: PlannedStep,
    intent = failover,
  ) => performStep(behaviour as unknown as Behaviour, run(component, step, intent))
  async function plannedFor(component: Traffic): Promise<readonly [PlannedStep, PlannedStep]> {
    const [closing, opening] = haproxy.move?.(component, await seenOf(component), failover, toyStack) ?? []
    if (closing === undefined || opening === undefined) throw new Error('no steps')
    return [closing, opening]
  }
  const holdStepOf = async (component: Traffic): Promise<PlannedStep> => {
    const [step] = haproxy.rejoin?.(component, await seenOf(component), rejoin, toyStack) ?? []
    if (step === undefined) throw new Error('no step')
    return step
  }
  const runtime = (name: 'lb-1' | 'lb-2'): string =>
    hosts[name].shell(`echo 'show map ${MAP}' | socat - UNIX-CONNECT:${SOCKET}`).trim().split(/\s+/).at(-1) ?? ''

  test('are not waited for when they do not answer, and named in the proof of each step', async () => {
    hosts[lost].unplugged = true
    const component = standing()
    const [closing, opening] = await plannedFor(component)
    expect([closing.site, opening.site]).toEqual([null, 'dc-b'])
    const took = awakeClock()
    const closed = await performAs(component, close, closing)
    expect(closed.proof).toMatchObject({ instances: [{ host: kept }], leftOut: [{ host: lost }] })
    const opened = await performAs(component, open, opening)
    expect(opened.proof).toMatchObject({
      value: 'dc-b',
      verified: true,
      instances: [{ host: kept }],
      leftOut: [{ host: lost }],
    })
    expect(took()).toBeLessThan(6_000)
    expect(runtime(kept)).toBe('dc-b')
  })

  test('are switched like the others when they answer', async () => {
    const component = standing()
    const [closing, opening] = await plannedFor(component)
    expect((await performAs(component, close, closing)).proof).not.toHaveProperty('leftOut')
    expect((await performAs(component, open, opening)).proof).not.toHaveProperty('leftOut')
    expect([runtime(lost), runtime(kept)]).toEqual(['dc-b', 'dc-b'])
  })

  test('are no proof of a closed door when there is no other: nothing is done until one answers', async () => {
    const component = trafficOver({ 'lb-1': hosts['lb-1'].url }, {}, { 'lb-1': 'dc-a' })
    const [closing] = await plannedFor(component)
    hosts[lost].unplugged = true
    expect(await close.done(run(component, closing))).toEqual({ is: 'unknown', why: 'no load balancer answers: lb-1' })
  })

  test('leave a failover as it is for those that stand elsewhere: one of them that falls silent stops the step, with the ways out', async () => {
    const component = standing()
    const [closing] = await plannedFor(component)
    hosts[kept].unplugged = true
    let now = Date.now()
    const sleep = async (ms: number): Promise<void> => {
      now += 10 * ms
    }
    const hurried = { ...context, clock: { now: () => new Date(now), sleep } }
    await expect(close.apply?.({ ...run(component, closing), context: hurried })).rejects.toMatchObject({
      code: 'load-balancer-silent',
      where: kept,
      next: expect.stringContaining('declare `site: dc-a` for it; or take it out of service'),
    })
  })

  test('that come back with the earlier value serve no users while the guard keeps their site closed, and a rejoin leads them to the active site first', async () => {
    put(hosts[kept], 'dc-b')
    const component = standing()
    // The guard has stopped the application of dc-a: users who still come through lb-1 are refused, and can write
    // nothing.
    expect((await fetch(hosts[lost].url, { headers: { connection: 'close' } })).status).toBe(503)
    const assessment = {
      now: '2026-11-21T00:00:00Z',
      objectives: toyStack.objectives,
      activeSite: 'dc-b',
      stack: toyStack,
    }
    const seen = await seenOf(component)
    expect(haproxy.assess(component, seen, null, assessment)).toContainEqual(
      expect.objectContaining({
        code: 'traffic-elsewhere',
        next: expect.stringContaining('a rejoin of dc-a leads it to dc-b'),
      }),
    )
    expect(haproxy.assess(component, seen, rejoin, assessment)).toContainEqual(
      expect.objectContaining({ code: 'traffic-elsewhere', severity: 'warning' }),
    )
    const step = await holdStepOf(component)
    // Under the lock, and before the fence, the copy and the deletion of a rejoin.
    expect(step).toMatchObject({ id: 'traffic.hold@dc-b', phase: 'DRAIN', parameters: { sets: [lost] } })
    expect((await performAs(component, hold, step, rejoin)).proof).toMatchObject({ value: 'dc-b', verified: true })
    expect(runtime(lost)).toBe('dc-b')
    expect((await fetch(hosts[lost].url, { headers: { connection: 'close' } })).status).toBe(200)
  })

  test('are waited for in a rejoin, which sets no other', async () => {
    put(hosts[lost], 'dc-b')
    const component = standing()
    const step = await holdStepOf(component)
    await hold.apply?.(run(component, step, rejoin))
    expect(runtime(kept)).toBe('dc-a')
    expect(await hold.done(run(component, step, rejoin))).toEqual({ is: 'pending', waitingFor: 'lb-2 to hold dc-b' })
    hosts[lost].unplugged = true
    put(hosts[kept], 'dc-b')
    expect(await hold.done(run(component, step, rejoin))).toMatchObject({ is: 'unknown' })
  })
})
