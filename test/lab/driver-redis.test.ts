import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readLabEnvironment } from '../../lab/environment.ts'
import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import type { ObjectStoreClient, ObjectStoreLocation } from '../../src/clients/object-store-client.ts'
import { systemClock } from '../../src/composition/connect.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import type { Sandbox } from '../../src/domain/restore-test.ts'
import type { CredentialReference, SiteName, Stack } from '../../src/domain/stack.ts'
import type { Change, Deployment } from '../../src/driver/deployment.ts'
import type { Cache } from '../../src/drivers/redis/spec.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { verdictOf } from '../../src/verification/judge-restore.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { waitUntilDone } from '../../src/waiting/wait-until.ts'
import type { Behaviour, FlatRun } from '../support/flat/behaviour.ts'
import type { FlatContext } from '../support/flat/context.ts'
import { redis } from '../support/flat/drivers.ts'
import { performStep } from '../support/perform-step.ts'

const name = `t-redis-${randomBytes(3).toString('hex')}`
const sandboxName = `${name}-sandbox`
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const ending = new AbortController()
const signal = ending.signal
const clients = new Map<SiteName, KubernetesClient>()
const stores = new Map<SiteName, ObjectStoreClient>()
const proofs = new Map<string, JsonObject>()
let context: FlatContext
let component: Cache

const kubernetes = (site: SiteName): KubernetesClient => clients.get(site) as KubernetesClient
const store = (site: SiteName): ObjectStoreClient => stores.get(site) as ObjectStoreClient

beforeAll(async () => {
  const lab = await readLabEnvironment()
  for (const site of lab.sites)
    clients.set(
      site.name as SiteName,
      openKubernetes({ site: site.name, kubeconfig: await readFile(site.kubeconfig, 'utf8'), signal }),
    )
  const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } }
  const location = (site: SiteName): ObjectStoreLocation => ({
    endpoint: lab.s3.endpoint,
    region: lab.s3.region,
    bucket: `infisical-${site}`,
    prefix: `${name}/`,
    credentials: keys,
    readCredentials: keys,
  })
  for (const site of [A, B])
    stores.set(
      site,
      openObjectStore({
        endpoint: lab.s3.endpoint,
        region: lab.s3.region,
        bucket: `infisical-${site}`,
        prefix: `${name}/`,
        ...lab.s3.root,
      }),
    )
  component = {
    name: 'cache',
    driver: 'redis',
    needs: ['archive'],
    spec: {
      namespace: name,
      name: 'redis',
      image: lab.images.tools,
      password: { secret: 'redis', key: 'password' },
      storage: '1Gi',
      move: 'restore',
      backup: {
        store: 'archive',
        prefix: 'redis',
        schedule: '0 3 1 1 *',
        retention: '7d',
        images: { dump: lab.images.tools, upload: lab.images.tools },
      },
    },
  }
  const stack = {
    name,
    sites: [A, B].map((site) => ({
      name: site,
      platforms: { kubernetes: { kubeconfig: { env: 'X' }, clusterId: '' } },
    })),
    initialActive: A,
    components: [component],
    objectives: { backupAge: 3_600_000, restoreTime: 600_000 },
  } as unknown as Stack
  context = {
    stack,
    signal,
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    kubernetes,
    credential: async (reference: CredentialReference, site?: SiteName) => {
      if ('env' in reference) return reference.env === 'ID' ? lab.s3.root.accessKeyId : lab.s3.root.secretAccessKey
      if (!('secret' in reference)) throw new Error('no such credential')
      const { namespace, name: secret, key } = reference.secret
      const found = await kubernetes(site as SiteName).get({
        apiVersion: 'v1',
        kind: 'Secret',
        plural: 'secrets',
        namespace,
        name: secret,
      })
      return Buffer.from((found?.data as Record<string, string> | undefined)?.[key] ?? '', 'base64').toString()
    },
    objectStore: (_component: string, site: SiteName) => ({ location: location(site), open: async () => store(site) }),
  } as unknown as FlatContext
  for (const site of [A, B]) {
    for (const namespace of [name, sandboxName])
      await kubernetes(site).apply(
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
        { force: true },
      )
    await kubernetes(site).apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'redis', namespace: name },
        stringData: { password: `p"w\\${randomBytes(6).toString('hex')}` },
      },
      { force: true },
    )
  }
}, 60_000)

afterAll(async () => {
  for (const site of [A, B]) {
    for (const namespace of [name, sandboxName])
      await clients
        .get(site)
        ?.remove({ apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespace: null, name: namespace })
    for (const object of (await stores.get(site)?.list('')) ?? []) await stores.get(site)?.remove(object.key)
  }
  ending.abort()
}, 60_000)

async function deploy(active: SiteName): Promise<Change[]> {
  const deployment: Deployment = {
    activeSite: active,
    roleOf: (site) => (site === active ? 'active' : 'passive'),
    observed: {},
    epoch: null,
    adopt: false,
  }
  const bySite = await Promise.all([A, B].map((site) => redis.deploy?.(component, site, deployment, context) ?? []))
  const changes: Change[] = []
  for (const units of bySite)
    for (const unit of units) {
      const found = await unit.diff(signal)
      changes.push(...found)
      if (found.length === 0) continue
      await unit.apply(signal)
      await waitUntilDone(() => unit.ready(signal), {
        what: unit.id,
        clock: systemClock,
        signal,
        deadline: deadlineAfter(120_000),
        waiting: () => undefined,
      })
    }
  return changes
}

async function perform(
  step: PlannedStep | undefined,
  begunAt = new Date().toISOString(),
): Promise<{ outcome: string; ms: number }> {
  if (step === undefined) throw new Error('no such step')
  const run = {
    step,
    component,
    intent: null,
    context,
    signal,
    begunAt,
    applied: false,
    proofOf: (id: string) => proofs.get(id) ?? null,
  } as unknown as FlatRun
  const began = performance.now()
  const performed = await performStep(redis.behaviours[step.action] as unknown as Behaviour, run)
  proofs.set(step.id, performed.proof)
  return { outcome: performed.outcome, ms: performance.now() - began }
}

async function cli(site: SiteName, ...argv: string[]): Promise<string> {
  const answer = await kubernetes(site).exec({ namespace: name, name: 'redis-0', container: 'redis' }, [
    'redis-cli',
    ...argv,
  ])
  return answer.stdout.trim()
}
const steps = (intent: Intent): PlannedStep[] => redis.move?.(component, {}, intent, context.stack) ?? []
const stepOf = (intent: Intent, action: string, site: SiteName): PlannedStep | undefined =>
  steps(intent).find((step) => step.action === action && step.site === site)

const sandbox: Sandbox = {
  id: 'one',
  site: B,
  namespace: sandboxName,
  labels: { 'standby.dev/stack': name },
  deadline: 90_000,
  endpointOf: () => null,
}
async function emptySandbox(): Promise<void> {
  for (const [kind, plural] of [
    ['Pod', 'pods'],
    ['Secret', 'secrets'],
    ['Service', 'services'],
  ] as const)
    for (const object of await kubernetes(B).list({ apiVersion: 'v1', kind, plural }, { namespace: sandboxName }))
      await kubernetes(B).remove({ apiVersion: 'v1', kind, plural, namespace: sandboxName, name: object.metadata.name })
  for (let tries = 0; tries < 60; tries++) {
    if (
      (await kubernetes(B).list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, { namespace: sandboxName }))
        .length === 0
    )
      return
    await systemClock.sleep(500, signal)
  }
}

describe('Redis on two real sites', () => {
  const there: Intent = { mode: 'switchover', from: A, to: B }
  const back: Intent = { mode: 'switchover', from: B, to: A }

  test('is deployed once: the second deploy changes nothing', async () => {
    expect((await deploy(A)).map((change) => change.kind)).toEqual(Array(8).fill('create'))
    expect(await deploy(A)).toEqual([])
    const seen = await redis.observe(component, A, context)
    expect(seen).toMatchObject({ kind: 'answering', health: 'healthy' })
  }, 180_000)

  test('a dump that a person asks for is stored with the number of its keys', async () => {
    await cli(A, 'MSET', ...Array.from({ length: 200 }, (_, n) => [`key-${n}`, String(n)]).flat())
    const taken = await perform(redis.backup?.(component, {}, A, context.stack)[0])
    expect(proofs.get('cache.dump@dc-a')).toMatchObject({ keys: 200, site: 'dc-a' })
    console.log(`dump: ${Math.round(taken.ms)} ms`)
  }, 120_000)

  test('the dump restores in a sandbox of the other site', async () => {
    const report = await redis.restoreTest?.(component, A, sandbox, context)
    expect(report?.checks.filter((check) => check.outcome !== 'pass')).toEqual([])
    expect(verdictOf(report?.checks ?? [])).toBe('restorable')
    expect(report?.endpoint).toMatchObject({ port: 6379 })
    console.log(`restore test: ${report?.restoreDuration} ms`)
    await emptySandbox()
  }, 180_000)

  test('a move brings every key to the other site, and a repeated step does nothing', async () => {
    await cli(A, 'SET', 'written-last', 'yes')
    await cli(A, '-n', '5', 'SET', 'of-another-database', 'yes')
    await cli(B, 'SET', 'stale', 'yes')
    for (let n = 0; n < 3; n++) await cli(A, 'SET', `short-${n}`, 'x', 'PX', '7000')
    const dumped = await perform(stepOf(there, 'dump', A))
    const restored = await perform(stepOf(there, 'restore', B))
    expect(await cli(B, 'GET', 'written-last')).toBe('yes')
    expect(await cli(B, 'EXISTS', 'stale')).toBe('0')
    const { keys, expiredSince, keysInDump } = proofs.get('cache.restore@dc-b') as Record<string, number>
    expect(keysInDump).toBe(205)
    expect((keys ?? 0) + (expiredSince ?? 0)).toBe(205)
    expect(proofs.get('cache.restore@dc-b')).toMatchObject({ databases: { 5: 1 }, databasesInDump: { 0: 204, 5: 1 } })
    expect(await cli(B, '-n', '5', 'GET', 'of-another-database')).toBe('yes')
    expect(await cli(B, 'CONFIG', 'GET', 'appendonly')).toContain('yes')
    expect((await perform(stepOf(there, 'restore', B))).outcome).toBe('was-done')
    console.log(`move: dump ${Math.round(dumped.ms)} ms, restore ${Math.round(restored.ms)} ms`)
  }, 180_000)

  test('after the move dumps are taken on the new side only, and a deploy finds nothing to do', async () => {
    for (const site of [B, A]) await perform(stepOf(there, 'schedule', site))
    expect(await deploy(B)).toEqual([])
  }, 60_000)

  test('the way back works as well, a second time over the same volume', async () => {
    await cli(B, 'SET', 'written-on-b', 'yes')
    const expired = deadlineAfter(30_000).signal
    while ((await cli(B, 'DBSIZE')) !== '202') await systemClock.sleep(200, expired)
    await perform(stepOf(back, 'dump', B))
    await perform(stepOf(back, 'restore', A))
    expect(await cli(A, 'GET', 'written-on-b')).toBe('yes')
    expect(await cli(A, 'DBSIZE')).toBe('202')
  }, 180_000)

  test('a deploy without the password Secret says so at once instead of waiting', async () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace: name, name: 'redis' }
    const kept = await kubernetes(A).get(secret)
    await kubernetes(A).remove(secret)
    const before = (await kubernetes(A).get({ ...secret, kind: 'Pod', plural: 'pods', name: 'redis-0' }))?.metadata.uid
    await kubernetes(A).remove({ ...secret, kind: 'Pod', plural: 'pods', name: 'redis-0' })
    const deployment: Deployment = { activeSite: A, roleOf: () => 'active', observed: {}, epoch: null, adopt: false }
    const unit = (await redis.deploy?.(component, A, deployment, context))?.[0]
    const pod = { ...secret, kind: 'Pod', plural: 'pods', name: 'redis-0' }
    while (((await kubernetes(A).get(pod))?.metadata.uid ?? before) === before) await systemClock.sleep(200, signal)
    const waiting = waitUntilDone(() => unit?.ready(signal) ?? Promise.reject(new Error('no unit')), {
      what: 'cache.server@dc-a',
      clock: systemClock,
      signal,
      deadline: deadlineAfter(60_000),
      waiting: () => undefined,
    })
    await expect(waiting).rejects.toMatchObject({
      code: 'cache-does-not-start',
      message: expect.stringContaining('secret "redis" not found'),
    })
    const data = (kept?.data ?? {}) as Record<string, string>
    await kubernetes(A).apply(
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'redis', namespace: name }, data },
      { force: true },
    )
  }, 90_000)

  test('a dump that was cut in half is caught, and so is a site without any', async () => {
    const objects = await store(B).list('redis/')
    const newest = objects.filter((object) => object.key.endsWith('.rdb')).at(-1)
    const body = (await store(B).get(newest?.key ?? ''))?.body ?? ''
    await store(B).put(newest?.key ?? '', body.slice(0, Math.floor(body.length / 2)))
    const cut = await redis.restoreTest?.(component, B, sandbox, context)
    expect(verdictOf(cut?.checks ?? [])).toBe('not-restorable')
    expect(cut?.endpoint).toBeUndefined()
    await emptySandbox()
    for (const object of await store(B).list('redis/')) await store(B).remove(object.key)
    const none = await redis.restoreTest?.(component, B, sandbox, context)
    expect(verdictOf(none?.checks ?? [])).toBe('not-restorable')
  }, 180_000)
})
