import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { KubernetesObject, ObjectReference, ProxyTarget } from '../../../src/clients/kubernetes-client.ts'
import type { Intent, Mode } from '../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import { observeComponent } from '../../../src/driver/ask.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { cloudNativePg } from '../../../src/drivers/cloudnative-pg/driver.ts'
import { helmRelease } from '../../../src/drivers/helm-release/driver.ts'
import { redis } from '../../../src/drivers/redis/driver.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import type { Observation, SiteView } from '../../../src/observation/observation.ts'
import { factsOf, staleFacts } from '../../../src/planning/facts.ts'
import { livenessOf } from '../../../src/planning/liveness.ts'
import { theApplication } from '../../support/helm-application.ts'
import { rounds } from '../../support/rounds.ts'
import { backup, cluster, primary, replica } from '../drivers/cloudnative-pg/cluster-states.ts'
import { databaseStack, theDatabase } from '../drivers/cloudnative-pg/database-stack.ts'

const database = theDatabase({
  sites: { 'dc-a': { name: 'pg-dc-a' }, 'dc-b': { name: 'pg-dc-b' }, 'dc-c': { name: 'pg-dc-c' } },
})
const cache = {
  name: 'cache',
  driver: 'redis',
  needs: [],
  spec: {
    namespace: 'infisical',
    name: 'redis',
    image: 'redis:7',
    password: {},
    backup: { store: 'archive', images: {} },
  },
}
const declared = databaseStack(database)
const third = {
  name: 'dc-c' as SiteName,
  platforms: { kubernetes: { kubeconfig: { env: 'KUBECONFIG' }, clusterId: 'uid-dc-c' } },
}
const stack: Stack = {
  ...declared,
  sites: [...declared.sites, third],
  components: [database, theApplication(), cache] as unknown as readonly Component[],
}
const drivers = { 'cloudnative-pg': cloudNativePg, 'helm-release': helmRelease, redis } as unknown as Record<
  string,
  Driver
>

const lsn = (segments: number, bytes: number): string =>
  `0/${(segments * 16 * 1024 * 1024 + bytes).toString(16).toUpperCase()}`
const wal = (number: number): string => `0000000300000000000000${number.toString(16).toUpperCase().padStart(2, '0')}`

const METRICS = 'cnpg_collector_pg_wal{value="count"} 2\ncnpg_collector_pg_wal{value="size"} 3.3554432e+07\n'

/** What moves while people decide, and means nothing. */
const jitter = fc.record({
  written: fc.integer({ min: 40, max: 55 }),
  behind: fc.integer({ min: 0, max: 15 }),
  offset: fc.integer({ min: 1, max: 1_000_000 }),
  restartpoint: fc.constantFrom(2, 3),
  follower: fc.constantFrom('answers', 'restarts'),
  archive: fc.constantFrom('answers', 'late'),
  metrics: fc.constantFrom('answer', 'late'),
  replicas: fc.integer({ min: 1, max: 9 }),
  cachePod: fc.constantFrom('ready', 'restarts', 'gone'),
  third: fc.constantFrom('answers', 'silent', 'upgraded'),
  nightly: fc.boolean(),
})
type Jitter = typeof jitter extends fc.Arbitrary<infer T> ? T : never

/** All three drivers look at a world in which dc-a is active, dc-b follows, and dc-c is none of the move. */
async function seen(now: Jitter, mode: Mode): Promise<Observation> {
  const kubernetes = (site: SiteName) => ({
    get: async ({ kind, name }: ObjectReference): Promise<KubernetesObject | null> => {
      const of = (rest: object): KubernetesObject => ({
        apiVersion: 'v1',
        kind,
        metadata: { name, uid: `uid-${name}`, generation: 1 },
        ...rest,
      })
      if (kind === 'Cluster') {
        const image = site === 'dc-c' && now.third === 'upgraded' ? { imageName: 'postgresql:17' } : {}
        const peers = { externalClusters: [{ name: 'pg-dc-a', plugin: { parameters: { serverName: 'pg-dc-a-g1' } } }] }
        return cluster(name, { ...image, ...(site === 'dc-a' ? {} : peers) }) as unknown as KubernetesObject
      }
      if (kind === 'Deployment')
        return of({ spec: { replicas: site === 'dc-a' ? now.replicas : 0 }, status: { readyReplicas: now.offset % 3 } })
      if (kind === 'StatefulSet')
        return of({ spec: { template: { spec: { containers: [{ name: 'redis', image: 'redis:7' }] } } } })
      if (kind === 'Pod' && now.cachePod !== 'gone')
        return of({
          spec: { containers: [{ name: 'redis', image: 'redis:7' }] },
          status: { conditions: [{ type: 'Ready', status: now.cachePod === 'ready' ? 'True' : 'False' }] },
        })
      return null
    },
    list: async () => [
      backup('completed'),
      ...(now.nightly && mode !== 'rejoin'
        ? [backup('completed', '2026-11-22T02:15:30Z', { backupId: '20261122T021500' })]
        : []),
    ],
    proxyGet: async ({ path }: ProxyTarget) => {
      if (path === '/metrics' && now.metrics === 'late')
        throw siteError('site-unreachable', 'no answer', { retry: 'transient' })
      if (path === '/metrics') return { status: 200, body: METRICS }
      const replayLsn = lsn(now.written - now.behind, now.offset)
      const says =
        site === 'dc-a'
          ? { ...primary, currentLsn: lsn(now.written, now.offset) }
          : { ...replica, replayLsn, timeLineID: now.restartpoint }
      if (site !== 'dc-a' && now.follower === 'restarts')
        throw siteError('site-unreachable', 'it restarts', { retry: 'transient' })
      return { status: 200, body: JSON.stringify(says) }
    },
  })
  const listing = async (prefix: string, { startAfter = '' } = {}) => {
    if (now.archive === 'late') throw siteError('object-store-unreachable', 'no answer', { retry: 'transient' })
    return Array.from({ length: now.written }, (_, number) => ({
      key: `${prefix}0000000300000000/${wal(number)}.gz`,
      modified: '2026-11-21T05:59:48Z',
    })).filter(({ key }) => key > startAfter)
  }
  const context = {
    stack,
    platform: (_key: unknown, site: SiteName) => kubernetes(site),
    signal: AbortSignal.timeout(10_000),
    objectStore: () => ({ location: {}, open: async () => ({ list: listing, get: async () => null }) }),
    records: { way: { roundTrip: null }, newest: async () => null },
    once: <T>(_: string, ask: () => Promise<T>) => ask(),
    log: { debug: () => undefined },
  } as unknown as DriverContext
  const view = (site: SiteName): SiteView =>
    site === 'dc-c' && now.third === 'silent'
      ? { kind: 'silent', why: 'no answer', cause: 'no-answer', triedFrom: ['this runner'] }
      : { kind: 'answering', identity: `uid-${site}`, version: 'v1.34', latency: 5 }
  const driverOf = ({ driver }: Component) => {
    const found = drivers[driver]
    if (found === undefined) throw new Error(`no driver ${driver}`)
    return found
  }
  const look = async (component: Component, site: SiteName) =>
    [
      site,
      view(site).kind === 'silent'
        ? { kind: 'silent', why: 'no answer' }
        : await observeComponent(driverOf(component), component, site, context),
    ] as const
  const components = stack.components.map(
    async (component) =>
      [
        component.name,
        Object.fromEntries(await Promise.all(stack.sites.map(({ name }) => look(component, name)))),
      ] as const,
  )
  return {
    at: '2026-11-21T06:00:00Z',
    witness: { kind: 'silent', why: '' },
    sites: Object.fromEntries(stack.sites.map(({ name }) => [name, view(name)])),
    components: Object.fromEntries(await Promise.all(components)),
  } as Observation
}
const facts = async (now: Jitter, intent: Intent) => {
  const observation = await seen(now, intent.mode)
  return factsOf(
    observation,
    intent,
    livenessOf(stack, observation, drivers, intent.mode === 'rejoin' ? intent.to : intent.from),
  )
}
const intent = (mode: Mode): Intent => ({ mode, from: 'dc-a' as SiteName, to: 'dc-b' as SiteName })
const QUIET: Jitter = {
  written: 42,
  behind: 1,
  offset: 100,
  restartpoint: 3,
  follower: 'answers',
  archive: 'answers',
  metrics: 'answer',
  replicas: 3,
  cachePod: 'ready',
  third: 'answers',
  nightly: false,
}

describe.each(['switchover', 'failover', 'rejoin'] as const)('a %s that waits for its reviewer', (mode) => {
  test('is not made stale by what moves all the time: positions, restartpoints, pods that restart, autoscalers, a third site', async () => {
    await fc.assert(
      fc.asyncProperty(jitter, jitter, async (planned, now) => {
        expect(staleFacts(await facts(planned, intent(mode)), await facts(now, intent(mode)))).toEqual([])
      }),
      { numRuns: rounds(60) },
    )
  })
})

test('a follower that falls far behind makes a switchover stale, and no failover', async () => {
  const stale = async (mode: Mode) =>
    staleFacts(await facts(QUIET, intent(mode)), await facts({ ...QUIET, written: 60, behind: 30 }, intent(mode))).map(
      ({ fact }) => fact,
    )
  expect(await stale('switchover')).toEqual(['database@dc-b gap'])
  expect(await stale('failover')).toEqual([])
})

test('another newest backup makes a rejoin stale, which clones from it, and no other move', async () => {
  const newest = async (mode: Mode) => (await facts(QUIET, intent(mode))).filter(({ name }) => name === 'newest backup')
  expect(await newest('rejoin')).toEqual([
    { component: 'database', site: 'dc-a', name: 'newest backup', value: '20261121T021500', binds: 'exactly' },
  ])
  expect([...(await newest('switchover')), ...(await newest('failover'))]).toEqual([])
})

test('an application that is put to sleep makes a switchover stale', async () => {
  const [planned, asleep] = [
    await facts(QUIET, intent('switchover')),
    await facts({ ...QUIET, replicas: 0 }, intent('switchover')),
  ]
  expect(staleFacts(planned, asleep)).toEqual([{ fact: 'application@dc-a awake', planned: 'true', now: 'false' }])
})
