import { expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject, ObjectReference } from '../../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Deployment } from '../../../../src/driver/deployment.ts'
import { deployCluster } from '../../../../src/drivers/cloudnative-pg/deploy/deploy.ts'
import { serverNamesIn } from '../../../../src/drivers/cloudnative-pg/deploy/situation.ts'
import { ownedBy } from '../../../../src/platform/kubernetes/declared-objects.ts'
import { around as kitContext } from '../../../support/flat/around.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { cluster } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const database = theDatabase()
const { signal } = new AbortController()
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]

/** Keys below a prefix, as S3 lists them. */
const storeOf = (keys: readonly string[]): Pick<ObjectStoreClient, 'list'> => ({
  list: async (prefix, { startAfter = '', limit = Number.POSITIVE_INFINITY } = {}) =>
    [...keys]
      .sort()
      .filter((key) => key.startsWith(prefix) && key > startAfter)
      .slice(0, limit)
      .map((key) => ({ key, bytes: 1, version: '', modified: '' })),
})

interface There {
  readonly clusters: Record<string, KubernetesObject>
  readonly archives?: Readonly<Record<string, readonly string[]>>
  readonly epoch?: number | null
}

/** Two sites, their archives, and all that a deploy applied to them. */
function sites({ clusters, archives = {}, epoch = 1 }: There) {
  const applied: KubernetesObject[] = []
  const live = new Map(Object.entries(clusters))
  const kubernetes = (site: string): Partial<KubernetesClient> => ({
    site,
    get: async ({ kind, name }: ObjectReference) => {
      if (kind === 'Cluster') return live.get(name) ?? null
      return kind === 'Secret'
        ? { apiVersion: 'v1', kind, metadata: { name }, data: { username: 'cG9zdGdyZXM=' } }
        : null
    },
    list: async () => [],
    apply: async (object, options) => {
      if (options?.dryRun !== true) applied.push(object)
      return object
    },
  })
  const location = {
    endpoint: 'https://s3.example.com',
    region: 'us-east-1',
    bucket: 'bucket',
    prefix: '',
    credentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } },
    readCredentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } },
  }
  const context = {
    stack: databaseStack(database),
    signal,
    kubernetes,
    credential: async () => 'x',
    records: { newest: async () => null },
    objectStore: (_: string, site: string) => ({ location, open: async () => storeOf(archives[site] ?? []) }),
  } as unknown as FlatContext
  const deployment: Deployment = {
    activeSite: A,
    roleOf: (site) => (site === A ? 'active' : 'passive'),
    observed: {},
    epoch,
    adopt: false,
  }
  const unitsOf = (site: SiteName) => deployCluster(database, site, deployment, kitContext(context))
  const unitOf = async (site: SiteName, what: string) => {
    const found = (await unitsOf(site)).find(({ id }) => id === `database.${what}@${site}`)
    if (found === undefined) throw new Error(`no unit ${what}`)
    return found
  }
  return { unitsOf, unitOf, applied, live }
}

const made = (name: string, spec: object = {}): KubernetesObject => {
  const one = cluster(name, spec)
  return { ...one, metadata: { ...one.metadata, labels: ownedBy('infisical', 'database') } }
}

test('a deploy in place of an active Cluster that was deleted is refused before its first unit, in a dry run too', async () => {
  const { unitsOf, applied } = sites({
    clusters: { 'pg-dc-b': made('pg-dc-b') },
    archives: { 'dc-a': ['postgresql/pg-dc-a-g1/base/1/backup.info'] },
  })
  await expect(unitsOf(A)).rejects.toMatchObject({ code: 'active-database-missing' })
  expect(applied).toEqual([])
})

test('an active Cluster that is deleted amid a deploy is not made anew', async () => {
  const { unitOf, applied, live } = sites({ clusters: { 'pg-dc-a': made('pg-dc-a'), 'pg-dc-b': made('pg-dc-b') } })
  const unit = await unitOf(A, 'cluster')
  live.delete('pg-dc-a')
  await expect(unit.apply(signal)).rejects.toMatchObject({ code: 'active-database-missing' })
  expect(applied).toEqual([])
})

test('an update holds on to the uid of the Cluster that it was compared with', async () => {
  const { unitOf, applied } = sites({ clusters: { 'pg-dc-a': made('pg-dc-a'), 'pg-dc-b': made('pg-dc-b') } })
  await (await unitOf(A, 'cluster')).apply(signal)
  expect(applied).toMatchObject([{ kind: 'Cluster', metadata: { name: 'pg-dc-a', uid: 'uid-pg-dc-a' } }])
})

test('a passive Cluster that was deleted is cloned under a new name, and the active one gets that name', async () => {
  const peers = ['pg-dc-a', 'pg-dc-b'].map((name) => ({ name, plugin: { parameters: { serverName: `${name}-g1` } } }))
  const { unitOf, applied } = sites({
    clusters: { 'pg-dc-a': made('pg-dc-a', { externalClusters: peers }) },
    archives: { 'dc-b': ['postgresql/pg-dc-b-g1/wals/0000000100000000/000000010000000000000001.gz'] },
  })
  await (await unitOf(B, 'cluster')).apply(signal)
  await (await unitOf(A, 'cluster')).apply(signal)
  expect(applied[0]).toMatchObject({
    metadata: { name: 'pg-dc-b' },
    spec: { plugins: [{ parameters: { serverName: 'pg-dc-b-g2' } }], bootstrap: { recovery: { source: 'pg-dc-a' } } },
  })
  expect(applied[1]).toMatchObject({
    metadata: { name: 'pg-dc-a' },
    spec: {
      externalClusters: [
        { name: 'pg-dc-a' },
        { name: 'pg-dc-b', plugin: { parameters: { serverName: 'pg-dc-b-g2' } } },
      ],
    },
  })
})

test('a Cluster that other hands made is refused, and named as theirs', async () => {
  await expect(sites({ clusters: { 'pg-dc-a': cluster('pg-dc-a') }, epoch: null }).unitsOf(A)).rejects.toMatchObject({
    code: 'made-by-others',
  })
})

test('every name under which a cluster has archived is found, its own and the numbered ones, and none of another cluster', async () => {
  const keys = [
    'pg-a/base/1',
    'pg-a-g1/wals/1',
    'pg-a-g1/wals/2',
    'pg-a-g10/wals/1',
    'pg-a-g2/base/1',
    'pg-a-gold/base/1',
    'pg-ab-g3/base/1',
  ]
  const store = storeOf(keys.map((key) => `postgresql/${key}`)) as ObjectStoreClient
  expect(await serverNamesIn(store, 'postgresql/', 'pg-a', signal)).toEqual(['pg-a', 'pg-a-g1', 'pg-a-g10', 'pg-a-g2'])
})
