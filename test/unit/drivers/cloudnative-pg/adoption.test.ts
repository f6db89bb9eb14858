import { describe, expect, test } from '@jest/globals'
import {
  type Adoption,
  adoptionChanges,
  type LiveArchive,
} from '../../../../src/drivers/cloudnative-pg/deploy/adoption.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { cluster } from './cluster-states.ts'
import { theDatabase } from './database-stack.ts'

/** What the quick start of CloudNativePG makes, with a good archive. */
const made: JsonObject = {
  instances: 3,
  imageName: 'ghcr.io/cloudnative-pg/postgresql:16.11-system-trixie',
  storage: { size: '50Gi' },
  resources: { requests: { memory: '4Gi' } },
  postgresql: { parameters: { max_connections: '200' } },
  bootstrap: { initdb: { database: 'infisical', owner: 'infisical', secret: { name: 'pg-infisical' } } },
}
const archive: LiveArchive = {
  method: 'plugin',
  serverName: 'pg-dc-a',
  destinationPath: 's3://backups/postgresql/',
  endpointURL: 'https://s3.dc-a.example.com',
  retention: '30d',
}
interface Otherwise {
  readonly live?: JsonObject
  readonly declared?: JsonObject
  readonly spec?: Partial<CloudNativePgSpec>
  readonly archive?: LiveArchive | null
  readonly annotations?: Record<string, string>
  readonly userSpec?: JsonObject
}
function changes({
  live = {},
  declared = {},
  spec = {},
  archive: now = archive,
  annotations = {},
  userSpec = {},
}: Otherwise) {
  const one = cluster('pg-dc-a', { replica: undefined, plugins: undefined, ...made, ...live }, {}, annotations)
  const adoption: Adoption = {
    component: theDatabase(spec),
    live: { ...one, spec: JSON.parse(JSON.stringify(one.spec)) as (typeof one)['spec'] },
    archive: now,
    declaredArchive: { destinationPath: 's3://backups/postgresql', endpointURL: 'https://s3.dc-a.example.com/' },
    declared,
    userSpec,
  }
  return adoptionChanges(adoption)
}
const refusals = (otherwise: Otherwise): string[] =>
  changes(otherwise).flatMap(({ kind, path, why }) => (kind === 'refused' ? [`${path}: ${why}`] : []))

describe('an adoption refuses', () => {
  test('nothing where the stack declares what is there', () => expect(refusals({})).toEqual([]))

  test.each<[string, Otherwise, RegExp]>([
    ['fewer instances', { declared: { instances: 2 } }, /^spec.instances: .*Declare instances: 3 /],
    ['a smaller volume', { declared: { storage: { size: '20Gi' } } }, /^spec.storage.size: .*from 50Gi to 20Gi/],
    ['a smaller volume in another unit', { declared: { storage: { size: '50G' } } }, /^spec.storage.size/],
    [
      'a smaller volume for WAL',
      { live: { walStorage: { size: '4Gi' } }, declared: { walStorage: { size: '1Gi' } } },
      /^spec.walStorage.size/,
    ],
    ['another major version', { declared: { imageName: 'postgresql:17.2' } }, /another major version/],
    ['an older minor version', { declared: { imageName: 'postgresql:16.4' } }, /older one/],
    [
      'another bucket',
      { archive: { ...archive, destinationPath: 's3://old/' } },
      /^spec.plugins destinationPath: it archives to s3:\/\/old\//,
    ],
    ['another endpoint', { archive: { ...archive, endpointURL: 'https://minio' } }, /^spec.plugins endpointURL/],
    ['another way to archive', { archive: { ...archive, method: 'in-tree' } }, /Declare archive.method: in-tree/],
    ['a shorter retention', { spec: { retention: '2w' } }, /Declare retention: 30d/],
    ['another database', { spec: { database: 'app' } }, /^database: it has infisical, and the stack declares app/],
    [
      'the Secret of another owner',
      { live: { bootstrap: { initdb: { database: 'infisical', owner: 'infisical' } } } },
      /Declare secrets.owner: pg-dc-a-app/,
    ],
    ['another superuser', { live: { superuserSecret: { name: 'mine' } } }, /Declare secrets.superuser: mine/],
    [
      'to take an external cluster away',
      { live: { externalClusters: [{ name: 'reports' }] }, declared: { externalClusters: [{ name: 'pg-dc-b' }] } },
      /^spec.externalClusters: reports would go/,
    ],
    [
      'to take a managed service away',
      {
        live: { managed: { services: { additional: [{ serviceTemplate: { metadata: { name: 'public' } } }] } } },
        declared: { managed: { services: { additional: [] } } },
      },
      /^spec.managed.services.additional: public would go/,
    ],
  ])('%s, and says what to declare', (_, otherwise, text) => {
    expect(refusals(otherwise)).toEqual([expect.stringMatching(text)])
  })

  test('neither more instances, a larger volume, a newer minor version nor a first archive', () => {
    const declared = {
      instances: 4,
      storage: { size: '60Gi' },
      imageName: 'postgresql:16.12',
      plugins: [{ name: 'barman-cloud.cloudnative-pg.io' }],
    }
    expect(refusals({ declared, archive: null })).toEqual([])
  })
})

describe('an adoption says what stays', () => {
  const kept = (otherwise: Otherwise) => changes(otherwise).filter(({ kind }) => kind === 'keep')

  test('the archive with its name, the system id, and every setting that does not change', () => {
    const paths = kept({ declared: { instances: 4 } }).map(({ path, from }) => [path, from])
    expect(paths).toContainEqual(['archive', 's3://backups/postgresql/pg-dc-a'])
    expect(paths).toContainEqual(['status.systemID', '77'])
    expect(paths).toContainEqual(['spec.storage', { size: '50Gi' }])
    expect(paths.map(([path]) => path)).not.toContain('spec.instances')
  })

  test('of what kubectl applied only that, and what the copies on other sites would lack', () => {
    const annotations = {
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({
        spec: { storage: { size: '50Gi' }, resources: {} },
      }),
    }
    const said = kept({ annotations, declared: { storage: { size: '50Gi' } } }).filter(({ path }) =>
      path?.startsWith('spec.'),
    )
    expect(said.map(({ path, why }) => [path, why === undefined])).toEqual([
      ['spec.storage', true],
      ['spec.resources', false],
    ])
  })
})

test('an adoption takes WAL segments of any length, and refuses a cluster file that declares another one', () => {
  const live = {
    bootstrap: {
      initdb: { database: 'infisical', owner: 'infisical', secret: { name: 'pg-infisical' }, walSegmentSize: 64 },
    },
  }
  const declaring = (walSegmentSize: number) =>
    refusals({ live, userSpec: { bootstrap: { initdb: { walSegmentSize } } } })
  expect(declaring(64)).toEqual([])
  expect(declaring(32)).toEqual([expect.stringMatching(/^spec.bootstrap.initdb.walSegmentSize: .*64 MB.*32 MB/)])
  expect(refusals({ live })).toEqual([expect.stringMatching(/^spec.bootstrap.initdb.walSegmentSize: .*64 MB.*16 MB/)])
})
