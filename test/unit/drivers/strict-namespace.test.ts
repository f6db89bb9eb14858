import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreLocation } from '../../../src/clients/object-store-client.ts'
import type { Progress } from '../../../src/domain/progress.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { codes } from '../../../src/drivers/cloudnative-pg/codes.ts'
import { refusedBootstrap } from '../../../src/drivers/cloudnative-pg/deploy/failed-bootstrap.ts'
import { guardManifests } from '../../../src/drivers/guard/manifests.ts'
import type { GuardComponent } from '../../../src/drivers/guard/spec.ts'
import { codes as cacheCodes } from '../../../src/drivers/redis/codes.ts'
import { backupManifest, serverManifests } from '../../../src/drivers/redis/manifests.ts'
import { scratch } from '../../../src/drivers/redis/restore-test.ts'
import { type Cache, type RedisSpec, sizesOf } from '../../../src/drivers/redis/spec.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { waitOfRefused } from '../../../src/platform/kubernetes/refused-pods.ts'
import { type ApiServer, startApiServer } from '../../support/api-server.ts'
import { behaviourOf } from '../../support/behaviour-of.ts'
import type { FlatRun } from '../../support/flat/behaviour.ts'
import { redis } from '../../support/flat/drivers.ts'
import { toyStack } from '../../support/toy-stack.ts'

jest.setTimeout(180_000)

let server: ApiServer
let kubernetes: KubernetesClient
const { signal } = new AbortController()
const site = 'dc-a' as SiteName

beforeAll(async () => {
  server = await startApiServer()
  kubernetes = openKubernetes({ site, kubeconfig: server.kubeconfig('admin'), signal })
  await server.startControllers()
})
afterAll(() => server?.stop())

const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const cacheIn = (namespace: string): Cache => ({
  name: 'cache',
  driver: 'redis',
  needs: [],
  spec: {
    namespace,
    name: 'redis',
    image: 'docker.io/library/redis:7.4.6',
    password: { secret: 'redis', key: 'password' },
    // The quota counts limits, and a Redis has none of its own.
    resources: { limits: { cpu: '2', memory: '2Gi' } },
    backup: {
      store: 'archive',
      images: { dump: 'docker.io/library/redis:7.4.6', upload: 'docker.io/curlimages/curl:8.16.0' },
    },
  },
})
const location: ObjectStoreLocation = {
  endpoint: 'https://s3.example.com',
  region: 'us-east-1',
  bucket: 'b',
  prefix: '',
  credentials: keys,
  readCredentials: keys,
}
const guard: GuardComponent = {
  name: 'guard',
  driver: 'guard',
  needs: [],
  spec: { image: 'docker.io/library/node:24.21.0', witnessCredentials: keys },
}
const parts = {
  program: { sha256: 'a', packed: '', bytes: 1 },
  stackFile: '',
  keys: { id: 'c', secret: 'd' },
  authorities: null,
}

interface PodTemplate {
  readonly spec: object
}
const templateIn = (object: KubernetesObject): PodTemplate => (object.spec as { template: PodTemplate }).template

/** The StatefulSet adds the volume of its claim to its pods. */
const withData = (spec: object): object => ({
  ...spec,
  volumes: [...((spec as { volumes?: object[] }).volumes ?? []), { name: 'data', emptyDir: {} }],
})

/** Every pod that this tool writes itself, by what makes it. */
function ourPods(): Record<string, object> {
  const cache = cacheIn('strict')
  const [, set] = serverManifests(cache, toyStack, site, location)
  const cron = backupManifest(cache, toyStack, site, location, false).object.spec as {
    jobTemplate: { spec: { template: PodTemplate } }
  }
  const deployment = guardManifests(guard, toyStack, site, parts).find(({ plural }) => plural === 'deployments')
  const sandbox = { site, namespace: 'strict', labels: {} } as unknown as Sandbox
  const restored = scratch(
    cache,
    sandbox,
    { namespace: 'strict', name: 'cache-restored', container: 'redis' },
    { id: 'i', url: 'u', sha256: 's', authorities: '' },
    'p',
  ).find(({ kind }) => kind === 'Pod')
  if (set === undefined || deployment === undefined || restored === undefined) throw new Error('a manifest is missing')
  return {
    'the server of a cache': withData(templateIn(set.object).spec),
    'the dump of a cache': cron.jobTemplate.spec.template.spec,
    'the guard': { ...templateIn(deployment.object).spec, serviceAccountName: 'default' },
    'the restored cache': (restored as unknown as PodTemplate).spec,
  }
}

async function namespace(name: string, labels: Record<string, string>, hard: Record<string, string>): Promise<void> {
  await kubernetes.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }, { signal })
  await kubernetes.apply(
    { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'quota', namespace: name }, spec: { hard } },
    { signal },
  )
  const quota = { apiVersion: 'v1', kind: 'ResourceQuota', plural: 'resourcequotas', namespace: name, name: 'quota' }
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    namespace: name,
    name: 'default',
  }
  await until(`the controllers to know ${name}`, async () => {
    const { used } = ((await kubernetes.get(quota, { signal }))?.status ?? {}) as { readonly used?: object }
    return used !== undefined && (await kubernetes.get(account, { signal })) !== null
  })
}

async function until(what: string, holds: () => Promise<boolean>, within = 60_000): Promise<void> {
  for (const end = Date.now() + within; Date.now() < end; await pause(200)) if (await holds()) return
  throw new Error(`waited for ${what}`)
}

/** As a wait asks: again and again, until it says more than that it waits. */
async function told(ask: () => Promise<Progress | null>): Promise<Progress> {
  let said: Progress | null = null
  await until('a word of a refused pod', async () => {
    said = await ask()
    return said !== null
  })
  return said ?? { is: 'unknown', why: 'nothing was said' }
}

const BUSY = { 'requests.cpu': '8', 'requests.memory': '64Gi', 'limits.cpu': '32', 'limits.memory': '64Gi' }

describe('a namespace with pod security restricted, and a quota of requests and limits', () => {
  beforeAll(() => namespace('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' }, BUSY))

  test.each(Object.entries(ourPods()))('admits %s', async (_what, spec) => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'admitted', namespace: 'strict' },
      spec,
    } as KubernetesObject
    await expect(kubernetes.apply(pod, { signal, dryRun: true })).resolves.toMatchObject({ kind: 'Pod' })
  })

  test('refuses a pod without sizes: the quota counts', async () => {
    const { resources: _none, ...bare } = (ourPods()['the guard'] as { containers: [{ resources: object }] })
      .containers[0]
    const spec = { ...ourPods()['the guard'], containers: [bare] }
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bare', namespace: 'strict' },
      spec,
    } as unknown as KubernetesObject
    await expect(kubernetes.apply(pod, { signal, dryRun: true })).rejects.toThrow(/must specify limits.cpu/)
  })
})

test('a Redis has no limits but those that its owner declares: one that meets its memory limit is killed', () => {
  const { resources: _declared, ...spec } = cacheIn('any').spec
  const limitsOf = (cache: ReturnType<typeof cacheIn>) => sizesOf(cache).limits
  expect(limitsOf({ ...cacheIn('any'), spec })).toEqual({})
  expect(limitsOf(cacheIn('any'))).toEqual({ cpu: '2', memory: '2Gi' })
})

describe('a namespace whose quota is used up', () => {
  beforeAll(async () => {
    await namespace('full', {}, { pods: '0' })
    await kubernetes.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'standby-guard', namespace: 'full' } },
      { signal },
    )
  })
  const names = (object: KubernetesObject) => ({ ...object, metadata: { ...object.metadata, namespace: 'full' } })
  const get = (apiVersion: string, kind: string, plural: string, name: string) =>
    kubernetes.get({ apiVersion, kind, plural, namespace: 'full', name }, { signal })
  const what = { what: 'it', code: cacheCodes.code['cache-does-not-start'] }

  test('is reported while the StatefulSet of a cache waits', async () => {
    const [, set] = serverManifests(cacheIn('full'), toyStack, site, location)
    if (set !== undefined) await kubernetes.apply(set.object, { signal })
    const said = await told(async () =>
      waitOfRefused(kubernetes, await get('apps/v1', 'StatefulSet', 'statefulsets', 'redis'), what, signal),
    )
    expect(said).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringMatching(/it, whose pod is refused: .*exceeded quota: quota/),
    })
  })

  test('is reported while a move waits for that cache to start again, which it does not give up', async () => {
    const run = {
      component: cacheIn('full'),
      step: { id: 'cache.restore@dc-a', site, parameters: { source: site, dump: '' } },
      context: { kubernetes: () => kubernetes },
      signal,
      begunAt: '2026-11-21T06:00:00Z',
    } as unknown as FlatRun<RedisSpec>
    expect(await behaviourOf(redis, 'restore').done(run)).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringMatching(/redis to start again, and its pod is refused: .*exceeded quota/),
    })
  })

  test('is reported while the Deployment of a guard waits', async () => {
    const deployment = guardManifests(guard, toyStack, site, parts).find(({ plural }) => plural === 'deployments')
    if (deployment !== undefined) await kubernetes.apply(names(deployment.object), { signal })
    const name = deployment?.object.metadata.name ?? ''
    const said = await told(async () =>
      waitOfRefused(kubernetes, await get('apps/v1', 'Deployment', 'deployments', name), what, signal),
    )
    expect(said).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('exceeded quota') })
  })

  test('is reported while the job waits that makes an instance of a database, and fails the wait once it lasts', async () => {
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: 'pg-dc-a-1-initdb',
        namespace: 'full',
        labels: { 'cnpg.io/cluster': 'pg-dc-a', 'cnpg.io/jobRole': 'initdb' },
      },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'initdb', image: 'i' }] } } },
    }
    await kubernetes.apply(job, { signal })
    const at = { kubernetes, namespace: 'full', cluster: 'pg-dc-a' }
    const ask = () => refusedBootstrap(at, codes.code['database-bootstrap-failed'], signal)
    expect(await told(ask)).toMatchObject({
      waitingFor: expect.stringMatching(/pg-dc-a-1-initdb of pg-dc-a.*exceeded quota/),
    })
    let last: Progress | null = null
    await until('the refusal to last', async () => {
      last = await ask()
      return last?.is === 'failed'
    })
    expect(last).toMatchObject({
      code: 'database-bootstrap-failed',
      next: expect.stringContaining('kubectl -n full get resourcequota'),
    })
  })
})
