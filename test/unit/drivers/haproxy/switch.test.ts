import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { PlannedStep } from '../../../../src/domain/plan.ts'
import { readInstance, setValue } from '../../../../src/drivers/haproxy/instance.ts'
import { runnerFor } from '../../../../src/drivers/haproxy/load-balancers.ts'
import type { Traffic } from '../../../../src/drivers/haproxy/spec.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import type { Behaviour } from '../../../support/flat/behaviour.ts'
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
import {
  close,
  closeStep,
  contextOver,
  deploymentTo,
  from,
  open,
  runOf,
  switchover,
  switchStep,
  to,
  trafficOver,
} from '../../../support/traffic.ts'

jest.setTimeout(30_000)

let origins: Readonly<Record<'dc-a' | 'dc-b', Origin>>
let hosts: Readonly<Record<'lb-1' | 'lb-2', LoadBalancerHost>>
let traffic: Traffic
let context: FlatContext

beforeAll(async () => {
  const [a, b] = await Promise.all([startOrigin(), startOrigin()])
  origins = { 'dc-a': a, 'dc-b': b }
  const ports = { 'dc-a': a.port, 'dc-b': b.port }
  const [one, two] = await Promise.all([startLoadBalancerHost(ports), startLoadBalancerHost(ports)])
  hosts = { 'lb-1': one, 'lb-2': two }
  traffic = trafficOver({ 'lb-1': one.url, 'lb-2': two.url })
  context = contextOver(hosts)
}, 600_000)
afterAll(async () => {
  await Promise.all(Object.values(hosts).map((host) => host.stop()))
  for (const origin of Object.values(origins)) origin.close()
})

const everyHost = (): LoadBalancerHost[] => Object.values(hosts)
/** Both at run time and in the file, whatever was there. */
const put = (host: LoadBalancerHost, runtime: string, file = runtime): string =>
  host.shell(
    `printf '# ours\\nother x\\nactive ${file}\\n' > ${MAP}; { echo 'clear map ${MAP}'; } | socat - UNIX-CONNECT:${SOCKET};` +
      `echo 'add map ${MAP} active ${runtime}' | socat - UNIX-CONNECT:${SOCKET}`,
  )
beforeEach(() => {
  for (const host of everyHost()) {
    host.unplugged = false
    host.onCommand = () => undefined
    put(host, 'dc-a')
  }
})

const runtime = (host: LoadBalancerHost): string | undefined =>
  /active (\S+)/.exec(host.shell(`echo 'show map ${MAP}' | socat - UNIX-CONNECT:${SOCKET}`))?.[1]
const file = (host: LoadBalancerHost): string => host.shell(`cat ${MAP}`)
const servedBy = async (host: LoadBalancerHost): Promise<string> => {
  const response = await fetch(host.url, { headers: { connection: 'close' } })
  await response.arrayBuffer()
  return response.headers.get('x-standby-site') ?? String(response.status)
}
const perform = async (behaviour: Behaviour<Traffic['spec']>, step: PlannedStep): Promise<void> => {
  await behaviour.apply?.(runOf(traffic, step, context))
}
const asked = (behaviour: Behaviour<Traffic['spec']>, step: PlannedStep) =>
  behaviour.done(runOf(traffic, step, context))
const seen = (): Promise<Observed> => haproxy.observe(traffic, null, context)
/** A context whose time flies, so that patience ends at once. */
function hurried(): FlatContext {
  let now = Date.now()
  const clock = {
    now: () => new Date(now),
    sleep: async (ms: number) => {
      now += ms * 20
    },
  }
  return { ...context, clock }
}

describe('a move of the traffic', () => {
  test('closes every load balancer, then opens every one to the new site, and proves it from outside', async () => {
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['dc-a', 'dc-a'])
    await perform(close, closeStep(traffic, switchover))
    expect(await asked(close, closeStep(traffic, switchover))).toMatchObject({
      is: 'done',
      proof: {
        value: 'be_none',
        instances: [
          { host: 'lb-1', runtime: 'be_none', file: 'be_none', sessions: 0 },
          { host: 'lb-2', runtime: 'be_none', file: 'be_none', sessions: 0 },
        ],
      },
    })
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['503', '503'])
    await perform(open, switchStep(traffic, switchover))
    expect(await asked(open, switchStep(traffic, switchover))).toMatchObject({
      is: 'done',
      proof: { value: 'dc-b', instances: [{ host: 'lb-1' }, { host: 'lb-2' }], verified: true, answersPerInstance: 3 },
    })
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['dc-b', 'dc-b'])
  })

  test('keeps its value over a reload and over a restart, with every other line of the file and its mode', async () => {
    await perform(open, switchStep(traffic, switchover))
    for (const host of everyHost()) {
      expect(file(host)).toBe('# ours\nother x\nactive dc-b\n')
      expect(host.shell(`stat -c '%a %U' ${MAP}`)).toBe('640 root\n')
      expect(host.shell(`ls ${MAP}*`)).toBe(`${MAP}\n`)
    }
    await hosts['lb-1'].reload()
    await hosts['lb-2'].restart()
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['dc-b', 'dc-b'])
    expect(everyHost().map(runtime)).toEqual(['dc-b', 'dc-b'])
  })

  test('ends a request that is still running on the old site', async () => {
    const response = await fetch(`${hosts['lb-1'].url}slow`)
    const ended = response.text().then(
      () => 'ended',
      () => 'cut',
    )
    await perform(close, closeStep(traffic, switchover))
    expect(
      await Promise.race([ended, new Promise((resolve) => setTimeout(() => resolve('still open'), 3_000))]),
    ).not.toBe('still open')
  })

  test('may be performed twice', async () => {
    for (const _ of [1, 2]) await perform(close, closeStep(traffic, switchover))
    for (const _ of [1, 2]) await perform(open, switchStep(traffic, switchover))
    expect(everyHost().map(runtime)).toEqual(['dc-b', 'dc-b'])
    expect(everyHost().map(file)).toEqual(Array(2).fill('# ours\nother x\nactive dc-b\n'))
  })

  test('is not closed while a session of the old site lives on, although its door was closed by hand', async () => {
    const response = await fetch(`${hosts['lb-1'].url}slow`)
    const ended = response.text().then(
      () => 'ended',
      () => 'cut',
    )
    for (const host of everyHost()) put(host, 'be_none')
    const step = closeStep(traffic, switchover)
    expect(await asked(close, step)).toEqual({ is: 'pending', waitingFor: '1 sessions of dc-a on lb-1 to end' })
    await perform(close, step)
    expect(await asked(close, step)).toMatchObject({ is: 'done' })
    expect(await ended).toBeDefined()
  })

  test('that is taken back opens every load balancer to the old site again, and proves that users are served by it', async () => {
    const step = closeStep(traffic, switchover)
    const run = runOf(traffic, step, context)
    await perform(close, step)
    expect(await close.undone?.(run)).toEqual({ is: 'pending', waitingFor: 'lb-1 to hold dc-a, lb-2 to hold dc-a' })
    await close.undo?.(run)
    expect(await close.undone?.(run)).toMatchObject({ is: 'done', proof: { verified: true } })
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['dc-a', 'dc-a'])
    expect(await seen()).toMatchObject({ role: 'unknown', health: 'healthy', facts: [{ value: 'dc-a' }] })
  })

  test('is not undone while the old site does not answer through the load balancers', async () => {
    const mute = trafficOver({ 'lb-1': 'http://127.0.0.1:1/' })
    expect(await close.undone?.(runOf(mute, closeStep(mute, switchover), context))).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('to be answered by dc-a (no site'),
    })
  })

  test('is not verified by a site that does not answer, nor by an answer of the wrong site', async () => {
    const lying = trafficOver(
      { 'lb-1': hosts['lb-1'].url, 'lb-2': hosts['lb-2'].url },
      { backends: { 'dc-a': 'dc-b', 'dc-b': 'dc-a' } },
    )
    const step = switchStep(lying, switchover)
    expect(await open.done(runOf(lying, step, context))).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('to be answered by dc-b (dc-a, 200)'),
    })
    const none = trafficOver({ 'lb-1': 'http://127.0.0.1:1/' })
    put(hosts['lb-1'], 'dc-b')
    expect(await open.done(runOf(none, switchStep(none, switchover), context))).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('no site'),
    })
  })

  test('finds a missing key at run time and adds it', async () => {
    for (const host of everyHost())
      host.shell(`echo 'other x' > ${MAP}; echo 'clear map ${MAP}' | socat - UNIX-CONNECT:${SOCKET}`)
    await perform(open, switchStep(traffic, switchover))
    expect(everyHost().map(runtime)).toEqual(['dc-b', 'dc-b'])
    expect(everyHost().map(file)).toEqual(Array(2).fill('other x\nactive dc-b\n'))
  })
})

describe('a move that dies half-way', () => {
  const commands = ['echo ', 'file=', 'socat -t 5 - ']
  test.each(commands)(
    'at the command "%s" of one instance is found as split or unmoved, and finished by repeating it',
    async (dies) => {
      const step = closeStep(traffic, switchover)
      let count = 0
      hosts['lb-2'].onCommand = (command) => {
        count++
        if (command.startsWith(dies)) throw new Error('the runner died here')
      }
      await expect(perform(close, step)).rejects.toThrow('the runner died here')
      expect(count).toBeGreaterThan(0)
      hosts['lb-2'].onCommand = () => undefined
      expect(runtime(hosts['lb-1'])).toBe('be_none')
      expect(await seen()).toMatchObject({ role: 'split', health: 'degraded', facts: [{ value: 'be_none,dc-a' }] })
      expect(await asked(close, step)).toEqual({ is: 'pending', waitingFor: 'lb-2 to hold be_none' })
      await perform(close, step)
      expect(await asked(close, step)).toMatchObject({ is: 'done' })
    },
  )

  test('between file and runtime of the only instance is found, and a reload brings about what was intended', async () => {
    const only = trafficOver({ 'lb-1': hosts['lb-1'].url })
    hosts['lb-1'].onCommand = (command) => {
      if (command.startsWith('socat -t 5 - ')) throw new Error('the runner died here')
    }
    await expect(close.apply?.(runOf(only, closeStep(only, switchover), context))).rejects.toThrow('died')
    hosts['lb-1'].onCommand = () => undefined
    expect([runtime(hosts['lb-1']), file(hosts['lb-1'])]).toEqual(['dc-a', '# ours\nother x\nactive be_none\n'])
    expect(await haproxy.observe(only, null, context)).toMatchObject({ role: 'split' })
    await hosts['lb-1'].reload()
    expect(await haproxy.observe(only, null, context)).toMatchObject({ role: 'unknown', facts: [{ value: 'be_none' }] })
  })

  test('with one load balancer gone switches the other, fails with the name of the one, and is finished when it is back', async () => {
    const step = closeStep(traffic, switchover)
    hosts['lb-2'].unplugged = true
    await expect(close.apply?.(runOf(traffic, step, hurried()))).rejects.toMatchObject({
      code: 'load-balancer-silent',
      where: 'lb-2',
      message: expect.stringContaining('lb-2 did not answer for 20.0 s'),
    })
    expect(runtime(hosts['lb-1'])).toBe('be_none')
    expect(await asked(close, step)).toMatchObject({ is: 'unknown', why: expect.stringContaining('lb-2 to answer') })
    expect(await seen()).toMatchObject({
      kind: 'answering',
      health: 'degraded',
      text: 'serves no site, 1/2 instances answer',
    })
    put(hosts['lb-1'], 'dc-a')
    expect(await asked(close, step)).toEqual({
      is: 'pending',
      waitingFor: expect.stringMatching(/^lb-1 to hold be_none, lb-2 to answer/),
    })
    hosts['lb-2'].unplugged = false
    await perform(close, step)
    expect(await asked(close, step)).toMatchObject({ is: 'done' })
  })

  test('waits a little for a load balancer that comes back', async () => {
    const step = closeStep(traffic, switchover)
    hosts['lb-2'].unplugged = true
    const closing = perform(close, step)
    while (runtime(hosts['lb-1']) !== 'be_none') await new Promise((resolve) => setTimeout(resolve, 50))
    hosts['lb-2'].unplugged = false
    await closing
    expect(everyHost().map(runtime)).toEqual(['be_none', 'be_none'])
  })

  test('is not held up by slow load balancers one after the other: all are asked at once', async () => {
    const step = closeStep(traffic, switchover)
    const slow = {
      ...context,
      ssh: (...to: Parameters<FlatContext['ssh']>) => ({
        ...context.ssh(...to),
        run: async (...args: Parameters<LoadBalancerHost['runner']['run']>) => {
          await new Promise((resolve) => setTimeout(resolve, 1_000))
          return context.ssh(...to).run(...args)
        },
      }),
    }
    const took = awakeClock()
    expect(await close.done(runOf(traffic, step, slow))).toMatchObject({ is: 'pending' })
    expect(took()).toBeLessThan(1_900)
  })

  test('while HAProxy restarts is unknown, not failed', async () => {
    const step = closeStep(traffic, switchover)
    const broken = trafficOver({ 'lb-1': hosts['lb-1'].url }, { socket: '/run/haproxy/gone.sock' })
    expect(await close.done(runOf(broken, step, context))).toMatchObject({
      is: 'unknown',
      why: expect.stringContaining('gone.sock'),
    })
  })
})

describe('two stacks in one map file', () => {
  test('moved at the same time lose nothing of each other', async () => {
    const host = hosts['lb-1']
    const stacks = ['active', 'second', 'third'].map((key) => trafficOver({ 'lb-1': host.url }, { key }))
    await Promise.all(
      stacks.map(async ({ spec }, index) => {
        const runner = await runnerFor(traffic, 'lb-1', context, { reach: 'outside-sites' })
        const before = await readInstance(runner, 'lb-1', spec, context.signal)
        await setValue(runner, 'lb-1', spec, { value: `dc-${index}`, before, cut: null }, context.signal)
      }),
    )
    expect(file(host).split('\n').sort()).toEqual(['', '# ours', 'active dc-0', 'other x', 'second dc-1', 'third dc-2'])
  })

  test('a map that is a link stays one', async () => {
    const host = hosts['lb-1']
    host.shell(`mv ${MAP} /etc/haproxy/real.map && ln -s /etc/haproxy/real.map ${MAP}`)
    const linked = trafficOver({ 'lb-1': host.url })
    await open.apply?.(runOf(linked, switchStep(linked, switchover), context))
    expect(host.shell(`readlink ${MAP}; cat ${MAP}`)).toBe('/etc/haproxy/real.map\n# ours\nother x\nactive dc-b\n')
    host.shell(`rm ${MAP} && mv /etc/haproxy/real.map ${MAP}`)
  })
})

describe('what cannot be done is refused with its reason', () => {
  const set = async (spec: Traffic['spec']): Promise<void> => {
    const runner = await runnerFor(traffic, 'lb-1', context, { reach: 'outside-sites' })
    const before = {
      view: { runtime: 'dc-a', file: 'dc-a', backends: {} },
      content: hosts['lb-1'].shell(`cat ${spec.map} || true`),
    }
    await setValue(runner, 'lb-1', spec, { value: 'dc-b', before, cut: null }, context.signal)
  }

  test('a map that HAProxy does not use', async () => {
    hosts['lb-1'].shell('echo "active dc-a" > /etc/haproxy/maps/unused.map')
    await expect(set({ ...traffic.spec, map: '/etc/haproxy/maps/unused.map' })).rejects.toMatchObject({
      code: 'load-balancer-refused',
      where: 'lb-1',
      message: expect.stringContaining('Unknown map'),
    })
  })

  test('a map file that is not there or may not be written', async () => {
    await expect(set({ ...traffic.spec, map: '/etc/haproxy/maps/none.map' })).rejects.toMatchObject({
      code: 'load-balancer-map-unwritable',
    })
    await expect(set({ ...traffic.spec, map: '/proc/version' })).rejects.toMatchObject({
      code: 'load-balancer-map-unwritable',
    })
  })

  test('a socket that is not there', async () => {
    const spec = { ...traffic.spec, socket: '/run/haproxy/gone.sock' }
    await expect(
      readInstance(await runnerFor(traffic, 'lb-1', context, { reach: 'outside-sites' }), 'lb-1', spec, context.signal),
    ).rejects.toMatchObject({
      code: 'load-balancer-unreadable',
      where: 'lb-1',
    })
  })
})

describe('a deploy', () => {
  const unit = async (active = from) => {
    const [only] = (await haproxy.deploy?.(traffic, null, deploymentTo(active), context)) ?? []
    if (only === undefined) throw new Error('no unit')
    return only
  }
  const signal = AbortSignal.timeout(60_000)

  test('opens load balancers that serve no users yet to the active site, and finds nothing to do the second time', async () => {
    for (const host of everyHost()) put(host, 'be_none')
    const first = await unit()
    expect(await first.diff(signal)).toEqual([
      { kind: 'update', object: `lb-1:${MAP}`, path: 'active', from: 'be_none', to: 'dc-a' },
      { kind: 'update', object: `lb-2:${MAP}`, path: 'active', from: 'be_none', to: 'dc-a' },
    ])
    await first.apply(signal)
    expect(await first.ready(signal)).toMatchObject({ is: 'done' })
    expect(await (await unit()).diff(signal)).toEqual([])
    expect(await Promise.all(everyHost().map(servedBy))).toEqual(['dc-a', 'dc-a'])
  })

  test('writes to the file what an instance serves already', async () => {
    put(hosts['lb-2'], 'dc-a', 'be_none')
    const only = await unit()
    expect(await only.diff(signal)).toEqual([
      { kind: 'update', object: `lb-2:${MAP}`, path: 'active', from: 'be_none', to: 'dc-a' },
    ])
    await only.apply(signal)
    expect(await only.ready(signal)).toMatchObject({ is: 'done' })
  })

  test('never takes users from one site to another', async () => {
    put(hosts['lb-1'], 'be_none')
    put(hosts['lb-2'], 'dc-b')
    const only = await unit()
    await only.apply(signal)
    expect(everyHost().map(runtime)).toEqual(['dc-a', 'dc-b'])
    expect(await only.ready(signal)).toMatchObject({ is: 'failed', code: 'traffic-elsewhere' })
  })

  test('leaves an instance alone that was switched half-way to another site', async () => {
    put(hosts['lb-1'], 'be_none', 'dc-b')
    expect(await (await unit()).diff(signal)).toEqual([])
    expect(await (await unit(to)).diff(signal)).toMatchObject([{ object: `lb-1:${MAP}`, from: 'be_none', to: 'dc-b' }])
  })
})
