import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { serverManifests } from '../../../src/drivers/redis/manifests.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { diffObject } from '../../../src/platform/kubernetes/declared-objects.ts'
import { immutableFields } from '../../../src/platform/kubernetes/immutable-fields.ts'
import { type ApiServer, startApiServer } from '../../support/api-server.ts'
import { theCache } from '../../support/redis-cache.ts'
import { toyStack } from '../../support/toy-stack.ts'

jest.setTimeout(120_000)

const site = 'dc-a' as SiteName
const { signal } = new AbortController()
const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const location = {
  endpoint: 'https://s3.example.com',
  region: 'r',
  bucket: 'b',
  prefix: '',
  credentials: keys,
  readCredentials: keys,
}

function cacheOf(storage: string) {
  const cache = theCache()
  const [, set] = serverManifests(
    { ...cache, spec: { ...cache.spec, namespace: 'default', storage } },
    toyStack,
    site,
    location,
  )
  if (set === undefined) throw new Error('there is no StatefulSet')
  return set
}

describe('a change that a real API server refuses for good', () => {
  let server: ApiServer
  let kubernetes: KubernetesClient
  beforeAll(async () => {
    server = await startApiServer()
    kubernetes = openKubernetes({ site, kubeconfig: server.kubeconfig('admin'), signal })
  })
  afterAll(() => server?.stop())

  test('of the storage of a cache is reported by the dry run with both sizes, and with the steps to the larger one', async () => {
    const before = cacheOf('2Gi')
    await kubernetes.apply(before.object, { force: true, signal })
    const { name } = before.object.metadata
    const changes = await diffObject(kubernetes, cacheOf('4Gi'), signal)
    expect(changes).toEqual([
      expect.objectContaining({
        kind: 'refused',
        path: 'spec.volumeClaimTemplates[data].storage',
        from: '2Gi',
        to: '4Gi',
      }),
    ])
    const why = changes[0]?.why ?? ''
    expect(why).toContain(
      `1. Where their StorageClass says allowVolumeExpansion: true: kubectl -n default patch pvc data-${name}-0 -p '{"spec":{"resources":{"requests":{"storage":"4Gi"}}}}'`,
    )
    expect(why).toContain(`2. kubectl -n default delete statefulset ${name} --cascade=orphan`)
    expect(why).toContain('3. Deploy again')
    const [smaller] = await diffObject(kubernetes, cacheOf('1Gi'), signal)
    expect(smaller?.why).toBe('a volume cannot shrink from 2Gi to 1Gi: declare 2Gi')
  })

  test.each<[string, string, KubernetesObject, Partial<KubernetesObject>, RegExp]>([
    [
      'the selector of a Deployment',
      'deployments',
      workload('apps/v1', 'Deployment', 'a'),
      workload('apps/v1', 'Deployment', 'b'),
      /spec.selector.*kubectl -n default delete deployment it/,
    ],
    [
      'the template of a Job',
      'jobs',
      job('image:1'),
      job('image:2'),
      /spec.template.*kubectl -n default delete job it/,
    ],
    [
      'the type of a Secret',
      'secrets',
      plain('Secret', { type: 'Opaque', data: {} }),
      plain('Secret', { type: 'example.com/other', data: {} }),
      /type.*kubectl -n default delete secret it/,
    ],
    [
      'an immutable ConfigMap',
      'configmaps',
      plain('ConfigMap', { immutable: true, data: { a: 'before' } }),
      plain('ConfigMap', { data: { a: 'after' } }),
      /data.*marked as immutable.*kubectl -n default delete configmap it/,
    ],
  ])('of %s is reported with the field and the way out', async (_what, plural, before, after, expected) => {
    await kubernetes.apply(before, { force: true, signal })
    const changes = await diffObject(kubernetes, { plural, object: after as KubernetesObject }, signal)
    expect(changes.map(({ kind, path, why }) => `${kind} ${path} ${why}`)).toEqual([expect.stringMatching(expected)])
  })
})

test('a StatefulSet with another selector is made anew without its claims, and never without a word about what only its pods hold', () => {
  const set = cacheOf('2Gi').object
  const theirs = {
    ...set,
    spec: { ...(set.spec as object), selector: { matchLabels: { app: 'theirs' } } },
  } as KubernetesObject
  const [selector] = immutableFields(theirs, set)
  const { name, namespace } = set.metadata
  expect(selector?.why).toContain('in memory alone ends with them: have that written to the volume first')
  // Deleted with its pods, a set whose claims are to go with it (`whenDeleted: Delete`) would take the data along.
  expect(selector?.why).toContain(
    `kubectl -n ${namespace} delete statefulset ${name} --cascade=orphan ; kubectl -n ${namespace} delete pod ${name}-0, and deploy again`,
  )
  const inMemory = { ...theirs, spec: { ...(theirs.spec as object), volumeClaimTemplates: [] } } as KubernetesObject
  expect(immutableFields(inMemory, set)[0]?.why).toContain(
    'it has no claims, and what its pods hold ends with them: save that first',
  )
})

test('what the API server adds to a fixed field is no difference', () => {
  const set = cacheOf('2Gi').object
  const live = {
    ...set,
    spec: { ...(set.spec as object), podManagementPolicy: 'OrderedReady', replicas: 1 },
  } as KubernetesObject
  expect(immutableFields(live, set)).toEqual([])
})

test('the content of an immutable Secret is never shown', () => {
  const live = plain('Secret', { type: 'Opaque', immutable: true, data: { key: 'b2xkLXNlY3JldA==' } })
  const told = immutableFields(live, plain('Secret', { type: 'Opaque', data: { key: 'bmV3LXNlY3JldA==' } }))
  expect(told).toHaveLength(1)
  expect(JSON.stringify(told)).not.toMatch(/b2xk|bmV3/)
})

function plain(kind: string, more: object): KubernetesObject {
  return { apiVersion: 'v1', kind, metadata: { name: 'it', namespace: 'default' }, ...more } as KubernetesObject
}

function workload(apiVersion: string, kind: string, app: string): KubernetesObject {
  const labels = { app }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'image:1' }] } }
  return {
    apiVersion,
    kind,
    metadata: { name: 'it', namespace: 'default' },
    spec: { selector: { matchLabels: labels }, template },
  } as KubernetesObject
}

function job(image: string): KubernetesObject {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image }] } }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'it', namespace: 'default' },
    spec: { template },
  } as KubernetesObject
}
