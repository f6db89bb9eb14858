import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, ObjectReference } from '../../../../src/clients/kubernetes-client.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import { type Component, type SiteName, type Stack, siteOf } from '../../../../src/domain/stack.ts'
import type { RedisState } from '../../../../src/drivers/redis/observe.ts'
import type { Cache } from '../../../../src/drivers/redis/spec.ts'
import { drivers } from '../../../../src/drivers/registry.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { closeSite } from '../../../../src/guard/close-site.ts'
import { guardContext } from '../../../../src/guard/reach.ts'
import { KUBERNETES } from '../../../../src/platform/kubernetes/key.ts'
import { kubernetesPlatform } from '../../../../src/platform/kubernetes/platform.ts'
import type { ConditionalStore } from '../../../../src/witness/conditional-store.ts'
import { undoAsSeen } from '../../../support/act-as-seen.ts'
import { behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { redis } from '../../../support/flat/drivers.ts'
import { theCache } from '../../../support/redis-cache.ts'
import { toyClock, toyStack } from '../../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const failover: Intent = { mode: 'failover', from: A, to: B }
const cache = theCache()
const fence = behaviourOf(redis, 'fence')
const stack: Stack = { ...toyStack, components: [cache as unknown as Component] }
const seen = (dumping?: boolean): Observed<RedisState> => ({
  kind: 'answering',
  state: { ready: true, image: 'redis:7.4.6', dumps: {}, ...(dumping === undefined ? {} : { dumping }) },
  role: 'unknown',
  health: 'healthy',
  text: '',
  facts: [],
})

/** A site with a Redis whose dumps are taken or not, as its guard reaches it. */
function site(suspend: boolean, forbidden = false) {
  const world = { suspend, patches: 0 }
  const kubernetes = {
    site: A,
    clusterId: async () => 'uid-dc-a',
    async get({ kind, name }: ObjectReference) {
      if (kind === 'CronJob' && forbidden) throw siteError('kubernetes-forbidden', 'it may not')
      const metadata = { name, resourceVersion: String(world.patches) }
      if (kind === 'StatefulSet')
        return { metadata, spec: { template: { spec: { containers: [{ image: 'redis:7.4.6' }] } } } }
      return kind === 'CronJob' ? { metadata, spec: { suspend: world.suspend } } : null
    },
    async patch(_: unknown, { spec }: { spec?: { suspend: boolean } }) {
      world.patches += 1
      if (spec !== undefined) world.suspend = spec.suspend
    },
    watch: async function* () {},
  } as unknown as KubernetesClient
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const context = guardContext({
    stack,
    site: A,
    platform: { name: KUBERNETES.platform, client: kubernetes },
    store: {} as ConditionalStore,
    clock: toyClock(),
    log,
    signal: AbortSignal.timeout(5_000),
  })
  const { identify } = kubernetesPlatform.reach(siteOf(stack, A), context)
  const close = (mayClose = true) => closeSite({ stack, site: A, drivers, context, identify }, B, async () => mayClose)
  return { world, context, close }
}

describe('the dumps of a site that was lost', () => {
  test('are left alone, and no part is reported open, where the site has become active since the look', async () => {
    const { world, close } = site(false)
    expect(await close(false)).toEqual({ closed: [], effects: [], open: [] })
    expect(world.patches).toBe(0)
  })
  test('are stopped where it still answers, and only where they are taken', () => {
    const fence = (state: Observed<RedisState>) => redis.fence?.(cache, { [A]: state }, failover, stack)
    expect(fence(seen(true))).toMatchObject([
      { id: 'cache.fence@dc-a', phase: 'FENCE', fence: 'application', parameters: { suspend: true } },
    ])
    for (const state of [seen(false), seen(), { kind: 'silent', why: 'x' } as const]) expect(fence(state)).toEqual([])
  })
  test('are stopped by its guard when it comes back, once', async () => {
    const { world, close } = site(false)
    expect(await close()).toMatchObject({ closed: ['cache.fence@dc-a'], effects: ['cache.fence@dc-a'], open: [] })
    expect(world).toEqual({ suspend: true, patches: 1 })
    expect(await close()).toMatchObject({ closed: [], open: [] })
    expect(world.patches).toBe(1)
  })
  test('are left alone on a passive site as it should be, and where the guard has no right to them yet', async () => {
    for (const one of [site(true), site(false, true)]) {
      expect(await one.close()).toEqual({ closed: [], effects: [], open: [] })
      expect(one.world.patches).toBe(0)
    }
  })
  test('are resumed when the failover is taken back', async () => {
    const { world, context } = site(true)
    const [step] = redis.fence?.(cache, { [A]: seen(true) }, failover, stack) ?? []
    const run = { step, component: cache, intent: failover, context, signal: context.signal } as unknown as FlatRun<
      Cache['spec']
    >
    await undoAsSeen(fence, run)
    expect(world.suspend).toBe(false)
    expect(await fence.undone?.(run)).toMatchObject({ is: 'done' })
  })
  test('are all that the guard may change', () => {
    const rules = redis
      .access(cache, stack)
      .filter((rule) => rule.kind === 'kubernetes' && rule.identity === 'guard' && rule.site === A)
    expect(
      rules.flatMap((rule) => (rule.kind === 'kubernetes' ? [[rule.resources, rule.verbs, rule.resourceNames]] : [])),
    ).toEqual([
      [['statefulsets'], ['get'], ['redis']],
      [['pods'], ['get'], ['redis-0']],
      [['cronjobs'], ['get', 'patch'], ['redis-backup']],
    ])
  })
})
