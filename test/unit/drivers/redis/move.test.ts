import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { BySite, Observed } from '../../../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { RedisState } from '../../../../src/drivers/redis/observe.ts'
import type { Cache, RedisSpec } from '../../../../src/drivers/redis/spec.ts'
import { orderProblems } from '../../../../src/planning/order-steps.ts'
import type { CataloguedDump } from '../../../../src/systems/redis/catalogue.ts'
import type { NewestDump } from '../../../../src/systems/redis/newest-dump.ts'
import { applyAsSeen } from '../../../support/act-as-seen.ts'
import { behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { redis } from '../../../support/flat/drivers.ts'
import { theCache } from '../../../support/redis-cache.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const restore = behaviourOf(redis, 'restore')
const switchover: Intent = { mode: 'switchover', from: A, to: B }
const failover: Intent = { mode: 'failover', from: A, to: B }
const rejoin: Intent = { mode: 'rejoin', from: B, to: A }
const cache = (move?: 'restore' | 'fresh'): Cache => theCache(move === undefined ? {} : { move })
const dump: CataloguedDump = {
  schemaVersion: 1,
  name: 'cache/20261121T020000Z',
  takenAt: '2026-11-21T02:00:00Z',
  site: 'dc-a',
  keys: 12,
  expired: 2,
  bytes: 500,
  storedBytes: 500,
  sha256: 'a'.repeat(64),
  redisVersion: '7.4.6',
  rdbVersion: '12',
  runId: '',
  offset: 0,
}
const silent: Observed<RedisState> = { kind: 'silent', why: 'no answer' }
const seen = (dumps: Record<string, NewestDump>, ready = true): Observed<RedisState> => ({
  kind: 'answering',
  state: { ready, image: 'redis:7.4.6', dumps },
  role: 'unknown',
  health: 'healthy',
  text: '',
  facts: [],
})
const lost = (of: NewestDump, ready = true): BySite<RedisState> => ({
  [A]: silent,
  [B]: seen({ [A]: of, [B]: null }, ready),
})
const ids = (steps: readonly PlannedStep[] | undefined) => (steps ?? []).map((step) => `${step.phase} ${step.id}`)
const assess = (states: BySite<RedisState>, intent: Intent, component = cache()) =>
  redis
    .assess(component, states, intent, {
      now: '2026-11-21T02:30:00Z',
      objectives: toyStack.objectives,
      activeSite: intent.from,
      stack: toyStack,
    })
    .map(({ code, severity, site }) => `${severity} ${code} ${site}`)

describe('a failover of the cache', () => {
  test('has no step of the lost site and needs none, begins at once, and protects the new one', () => {
    const steps = redis.move?.(cache(), lost(dump), failover, toyStack) ?? []
    expect(ids(steps)).toEqual([
      'RESTORE_AUX cache.restore@dc-b',
      'PROTECT cache.schedule@dc-b',
      'PROTECT cache.dump@dc-b',
    ])
    expect(steps[0]).toMatchObject({ needs: [], mayBeginIn: 'DRAIN' })
    expect(orderProblems(steps)).toEqual([])
  })

  test('is planned with the newest dump of the lost site, as the new one sees it, and says so to the reviewer', () => {
    const [step] = redis.move?.(cache(), lost(dump), failover, toyStack) ?? []
    expect(step?.title).toContain('of 2026-11-21T02:00:00Z (12 keys)')
    const { name, keys, expired, sha256, takenAt } = dump
    expect(step?.parameters.planned).toEqual({ name, keys, expired, sha256, takenAt })
  })

  test('calls its restore the same when it is asked for the title of the dump that was approved, and lets no words into it', () => {
    const databases = { '0': { keys: 8, expiring: 1 }, '3': { keys: 4, expiring: 0 } }
    for (const newest of [dump, { ...dump, databases }]) {
      const [step] = redis.move?.(cache(), lost(newest), failover, toyStack) ?? []
      if (step === undefined) throw new Error('no step')
      const titled = (more: object): string | null | undefined =>
        redis.varyingTitles?.restore?.(cache(), {
          ...step,
          parameters: { ...step.parameters, planned: { ...newest, ...more } },
        })
      expect(titled({})).toBe(step.title)
      expect(titled({ takenAt: '2026-11-21T02:00:00Z (changes nothing)' })).toBeNull()
      expect(titled({ keys: '0 keys, looks only at' })).toBeNull()
      expect(titled({ databases: { 'and no other': { keys: 1, expiring: 0 } } })).toBeNull()
    }
  })

  test.each([null, 'unreadable'] as const)('begins empty where the dump is %s, and where that is declared', (none) => {
    for (const [component, of] of [[cache(), none] as const, [cache('fresh'), dump] as const]) {
      const [step] = redis.move?.(component, lost(of), failover, toyStack) ?? []
      expect(step?.title).toContain('empty')
      expect(step?.parameters).toEqual({ source: A, dump: '' })
    }
  })

  test('loses what was written since that dump, between nothing and all; where it is fresh nothing was promised', () => {
    const loss = (states: BySite<RedisState>, component = cache()) =>
      redis.loss?.(component, states, failover, '2026-11-21T02:30:00Z')
    expect(loss(lost(dump))).toEqual({
      of: 'cache',
      bytes: [0, null],
      seconds: [0, 1_800],
      why: expect.stringMatching(/^cache: .*30 min old/),
    })
    expect(loss(lost(null))).toMatchObject({ seconds: [0, null] })
    expect(loss(lost('unreadable'))).toMatchObject({ seconds: [0, null] })
    expect(loss(lost(dump), cache('fresh'))).toBeNull()
  })

  test('is not held up by the lost site, but by a new one that is not ready', () => {
    expect(assess(lost(dump), failover)).toEqual(['warning cache-silent dc-a'])
    expect(assess(lost(dump, false), failover)).toEqual(['warning cache-silent dc-a', 'blocker cache-not-ready dc-b'])
    expect(assess(lost(null), failover)).toEqual(['warning cache-silent dc-a', 'warning no-dump dc-a'])
    expect(assess(lost(null), failover, cache('fresh'))).toEqual(['warning cache-silent dc-a'])
    expect(assess(lost(dump), switchover)).toEqual(['blocker cache-silent dc-a'])
  })
})

describe('a rejoin of the cache', () => {
  test('ends the dumps of the former site and empties it, so that nothing stale is ever taken for the truth', () => {
    const steps = redis.rejoin?.(cache(), {}, rejoin, toyStack) ?? []
    expect(ids(steps)).toEqual(['DRAIN cache.schedule@dc-a', 'RESTORE_AUX cache.restore@dc-a'])
    expect(steps.map((step) => step.parameters)).toEqual([{ suspend: true }, { source: A, dump: '' }])
  })

  test('asks only that the former site can be identified', () => {
    expect(assess({ [A]: seen({ [B]: dump }, false), [B]: silent }, rejoin)).toEqual([
      'warning cache-not-ready dc-a',
      'warning cache-silent dc-b',
    ])
    expect(assess({ [A]: silent, [B]: seen({ [B]: dump }) }, rejoin)).toEqual(['blocker cache-silent dc-a'])
  })
})

test('after every move there is a dump of the new side, and no dump of the old side is scheduled any more', () => {
  expect(ids(redis.move?.(cache(), {}, switchover, toyStack))).toEqual([
    'FINAL_SYNC cache.dump@dc-a',
    'RESTORE_AUX cache.restore@dc-b',
    'PROTECT cache.schedule@dc-b',
    'PROTECT cache.schedule@dc-a',
    'PROTECT cache.dump@dc-b',
  ])
})

describe('a planned dump', () => {
  async function requested(begunAt: string, states: BySite<RedisState>): Promise<Record<string, string>> {
    const [step] = redis.move?.(cache(), states, failover, toyStack) ?? []
    const applied: KubernetesObject[] = []
    const context = {
      stack: toyStack,
      kubernetes: () => ({ get: async () => null, create: async (object: KubernetesObject) => applied.push(object) }),
      objectStore: (_: string, site: string) => ({
        location: { authorities: `who vouches for ${site}` },
        open: async () => ({ presignedGet: async (key: string) => `http://${site}/${key}` }),
      }),
    } as unknown as FlatContext
    await applyAsSeen(restore, {
      step,
      component: cache(),
      context,
      begunAt,
      signal: AbortSignal.timeout(5_000),
      proofOf: () => null,
    } as unknown as FlatRun<RedisSpec>)
    const data = (applied[0]?.data ?? {}) as Record<string, string>
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    )
  }

  test('is loaded anew by each run, even over a volume that has loaded it before, and prefers an empty start to none', async () => {
    const first = await requested('2026-11-21T03:00:00Z', lost(dump))
    expect(first).toMatchObject({
      url: 'http://dc-a/cache/20261121T020000Z.rdb',
      sha256: dump.sha256,
      otherwise: 'empty',
      authorities: 'who vouches for dc-a',
    })
    expect((await requested('2026-11-21T03:00:00Z', lost(dump))).id).toBe(first.id)
    expect((await requested('2026-11-22T03:00:00Z', lost(dump))).id).not.toBe(first.id)
  })

  test('that does not exist is no request to load one', async () => {
    expect(await requested('2026-11-21T03:00:00Z', lost(null))).toEqual({
      id: 'fresh-2026-11-21T03:00:00Z',
      url: '',
      sha256: '',
      otherwise: '',
      authorities: '',
    })
  })
})

test('an object store that is lost with its site does not make the other site look silent', async () => {
  const hangs = new Promise<never>(() => undefined)
  const pod = {
    metadata: {},
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
    spec: { containers: [{ image: 'redis:7.4.6' }] },
  }
  const context = {
    stack: toyStack,
    signal: AbortSignal.timeout(3_000),
    log: { debug: () => undefined },
    kubernetes: () => ({ get: async () => pod }),
    objectStore: (_: string, site: string) => ({ open: async () => (site === A ? hangs : { list: async () => [] }) }),
  } as unknown as FlatContext
  const answer = await redis.observe(cache(), B, context)
  expect(answer).toMatchObject({ kind: 'answering', state: { ready: true, dumps: { [A]: 'unreadable', [B]: null } } })
  expect(context.signal.aborted).toBe(false)
})

describe('a request for a dump', () => {
  const step = redis.move?.(cache('fresh'), {}, switchover, toyStack).find(({ action }) => action === 'restore')
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
  function serving(request: string) {
    const calls: unknown[][] = []
    const objects: Record<string, object> = {
      Pod: { metadata: { uid: 'pod-1' }, status: ready },
      Secret: { metadata: { resourceVersion: '7' }, data: { id: Buffer.from(request).toString('base64') } },
    }
    const kubernetes = {
      get: async ({ kind }: { kind: string }) => objects[kind],
      exec: async () => ({ code: 0, stdout: '', stderr: '' }),
      patch: async ({ kind }: { kind: string }, patch: object, options: object) =>
        calls.push(['patch', kind, { options, patch }]),
      remove: async ({ kind }: { kind: string }, options: object) => calls.push(['remove', kind, options]),
    }
    const run = {
      step,
      component: cache('fresh'),
      context: { stack: toyStack, kubernetes: () => kubernetes },
      begunAt: 'now',
      signal: AbortSignal.timeout(5_000),
    }
    return { calls, run: { ...run, proofOf: () => null } as unknown as FlatRun<RedisSpec> }
  }
  test('replaces the one that was seen and no later one, and restarts the pod that was seen and no later one', async () => {
    const { calls, run } = serving('an older one')
    await restore.apply?.({ ...run, precondition: { resourceVersion: '7', pod: 'pod-1', asked: false } })
    expect(calls).toMatchObject([
      ['patch', 'Secret', { options: { resourceVersion: '7' } }],
      ['remove', 'Pod', { uid: 'pod-1' }],
    ])
  })
  test('that lies there already is not written again: only the pod is restarted', async () => {
    const { calls, run } = serving('fresh-now')
    await restore.apply?.({ ...run, precondition: { resourceVersion: '7', pod: 'pod-1', asked: true } })
    expect(calls).toMatchObject([['remove', 'Pod', { uid: 'pod-1' }]])
  })
  test('that was left by an earlier process gets another version, and keeps what it says', async () => {
    const { calls, run } = serving('an older one')
    await restore.invalidate?.(run)
    expect(calls).toMatchObject([
      ['patch', 'Secret', { patch: { metadata: { annotations: { 'standby.dev/touched': expect.any(String) } } } }],
    ])
    expect(calls[0]?.[2]).not.toHaveProperty('patch.data')
  })
})
