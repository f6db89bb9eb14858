import { describe, expect, test } from '@jest/globals'
import type { ObjectStoreLocation } from '../../../../src/clients/object-store-client.ts'
import { IN_SANDBOX } from '../../../../src/domain/identities.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { accessOf, claimsOf, problemsOf } from '../../../../src/drivers/cloudnative-pg/access.ts'
import { storesOf } from '../../../../src/drivers/cloudnative-pg/deploy/deploy.ts'
import {
  type Archive,
  archiveSecret,
  bootstrapOf,
  type ClusterDeclaration,
  clusterManifest,
  copiedStreamingSecrets,
  noArchiveName,
  objectStoreManifest,
} from '../../../../src/drivers/cloudnative-pg/deploy/manifests.ts'
import { mergeSpecs } from '../../../../src/drivers/cloudnative-pg/deploy/merge-specs.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } }
const location = (site: string): ObjectStoreLocation => ({
  endpoint: `https://s3.${site}.example.com`,
  region: 'us-east-1',
  bucket: `infisical-${site}`,
  prefix: '',
  credentials: keys,
  readCredentials: keys,
})
const archives: Archive[] = ['dc-a', 'dc-b'].map((site) => ({
  site: site as SiteName,
  location: location(site),
  serverName: `pg-${site}-g2`,
}))

interface Spec {
  readonly replica: object
  readonly bootstrap: object
  readonly smartShutdownTimeout: number
  readonly primaryUpdateMethod: string
  readonly instances?: number
  readonly plugins: readonly { readonly name: string; readonly parameters: Readonly<Record<string, string>> }[]
  readonly env?: readonly JsonObject[]
  readonly backup?: { readonly barmanObjectStore: { readonly serverName: string } }
  readonly externalClusters: readonly {
    readonly name: string
    readonly plugin?: { readonly parameters: Readonly<Record<string, string>> }
    readonly barmanObjectStore?: { readonly serverName: string }
    readonly connectionParameters?: Readonly<Record<string, string>>
  }[]
  readonly managed: {
    readonly services: {
      readonly additional: readonly { readonly serviceTemplate: { readonly metadata: { readonly name: string } } }[]
    }
  }
}
function specOf(more: Partial<ClusterDeclaration> = {}, database: Partial<CloudNativePgSpec> = {}): Spec {
  const component = theDatabase(database)
  return clusterManifest({
    component,
    stack: databaseStack(component),
    site: 'dc-b' as SiteName,
    archives,
    userSpec: {},
    replica: { primary: 'pg-dc-a', source: 'pg-dc-a' },
    bootstrap: bootstrapOf(component, 'pg-dc-a'),
    streaming: ['dc-a' as SiteName],
    ...more,
  }).object.spec as unknown as Spec
}

describe('the Cluster object', () => {
  test('names the incarnation of every archive: the plugin would take the local name for each', () => {
    const spec = specOf()
    expect(spec.plugins[0]?.parameters).toEqual({ barmanObjectName: 'database-archive-dc-b', serverName: 'pg-dc-b-g2' })
    expect(spec.externalClusters.map((one) => [one.name, one.plugin?.parameters.serverName])).toEqual([
      ['pg-dc-a', 'pg-dc-a-g2'],
      ['pg-dc-b', 'pg-dc-b-g2'],
    ])
  })
  test('repeats the role that is given, for a move owns it', () => {
    expect(specOf().replica).toEqual({ self: 'pg-dc-b', primary: 'pg-dc-a', source: 'pg-dc-a' })
  })
  test('streams from the other site only, and does not wait for a lost one for minutes', () => {
    const [other, own] = specOf().externalClusters
    expect(other?.connectionParameters).toMatchObject({
      host: '192.0.2.11',
      sslmode: 'verify-ca',
      connect_timeout: '5',
    })
    expect(own?.connectionParameters).toBeUndefined()
    expect(specOf({ streaming: [] }).externalClusters[0]?.connectionParameters).toBeUndefined()
  })
  test('restarts fast after a promotion unless the user says otherwise', () => {
    expect(specOf()).toMatchObject({ smartShutdownTimeout: 0, primaryUpdateMethod: 'restart' })
    expect(specOf({ userSpec: { smartShutdownTimeout: 30 } }).smartShutdownTimeout).toBe(30)
  })
  test("keeps the user's own spec beside what a move needs, and never lets it take over roles", () => {
    const userSpec: JsonObject = {
      instances: 3,
      replica: { primary: 'pg-dc-b' },
      bootstrap: { initdb: { walSegmentSize: 32 } },
      plugins: [{ name: 'other.example.com' }],
      externalClusters: [{ name: 'legacy', connectionParameters: { host: 'old' } }],
      managed: { services: { additional: [{ selectorType: 'ro', serviceTemplate: { metadata: { name: 'mine' } } }] } },
    }
    const spec = specOf({ userSpec })
    expect(spec.instances).toBe(3)
    expect(spec.replica).toMatchObject({ primary: 'pg-dc-a' })
    expect(spec.bootstrap).not.toHaveProperty('initdb')
    expect(spec.plugins.map((one) => one.name)).toEqual(['other.example.com', 'barman-cloud.cloudnative-pg.io'])
    expect(spec.externalClusters.map((one) => one.name)).toEqual(['legacy', 'pg-dc-a', 'pg-dc-b'])
    expect(spec.managed.services.additional.map((one) => one.serviceTemplate.metadata.name)).toEqual([
      'mine',
      'pg-dc-b-streaming',
    ])
  })
  test('of a database with long WAL segments has the sizes without which a restored copy would not start, where its file has none', () => {
    const parametersOf = (walSegmentSize: number, own: JsonObject = {}) =>
      (
        specOf({
          userSpec: { bootstrap: { initdb: { walSegmentSize } }, postgresql: { parameters: own } },
        }) as unknown as {
          postgresql: { parameters?: JsonObject }
        }
      ).postgresql.parameters
    expect(parametersOf(64)).toEqual({ min_wal_size: '320MB', max_wal_size: '4096MB' })
    expect(parametersOf(64, { min_wal_size: '1GB' })).toEqual({ min_wal_size: '1GB', max_wal_size: '4096MB' })
    expect(parametersOf(16)).toEqual({})
  })
  test('takes the options of initdb over for the first primary', () => {
    const first = bootstrapOf(theDatabase(), null, { bootstrap: { initdb: { walSegmentSize: 32, owner: 'somebody' } } })
    expect(first).toEqual({
      initdb: {
        dataChecksums: true,
        walSegmentSize: 32,
        database: 'infisical',
        owner: 'infisical',
        secret: { name: 'pg-infisical' },
      },
    })
  })
  test('with the in-tree archive has no plugin, and names the incarnations all the same', () => {
    const spec = specOf({}, { archive: { method: 'in-tree', store: 'archive' } })
    expect(spec.plugins).toBeUndefined()
    expect(spec.backup?.barmanObjectStore.serverName).toBe('pg-dc-b-g2')
    expect(spec.externalClusters.map((one) => one.barmanObjectStore?.serverName)).toEqual(['pg-dc-a-g2', 'pg-dc-b-g2'])
  })
  test('spares stores the checksums of newer boto3, wherever that runs, unless the user says otherwise', () => {
    const [archive] = archives
    if (archive === undefined) throw new Error('no archive')
    const sidecar = objectStoreManifest(theDatabase(), databaseStack(), archive).object.spec as unknown as {
      readonly instanceSidecarConfiguration: { readonly env: readonly JsonObject[] }
    }
    const inTree = { archive: { method: 'in-tree', store: 'archive' } } as const
    expect(specOf({}, inTree).env).toEqual(sidecar.instanceSidecarConfiguration.env)
    expect(specOf().env).toBeUndefined()
    const own = [
      { name: 'AWS_REQUEST_CHECKSUM_CALCULATION', value: 'when_supported' },
      { name: 'HTTPS_PROXY', value: 'http://proxy' },
    ]
    expect(specOf({ userSpec: { env: own } }, inTree).env).toEqual([
      own[0],
      { name: 'AWS_RESPONSE_CHECKSUM_VALIDATION', value: 'when_required' },
      own[1],
    ])
  })
})

test('a site deletes old backups of its own archive only: elsewhere its keys may only read', () => {
  const [archive] = archives
  if (archive === undefined) throw new Error('no archive')
  expect(objectStoreManifest(theDatabase(), databaseStack(), archive, { retention: '30d' }).object.spec).toMatchObject({
    retentionPolicy: '30d',
  })
  expect(objectStoreManifest(theDatabase(), databaseStack(), archive).object.spec).not.toHaveProperty('retentionPolicy')
})

test('the store that has nothing differs from its archive by name and keys alone: pods carry the variables of both, and must not be made anew', () => {
  const [archive] = archives
  if (archive === undefined) throw new Error('no archive')
  const [own, nothing] = [{}, { name: noArchiveName(theDatabase()) }].map(
    (more) => objectStoreManifest(theDatabase(), databaseStack(), archive, more).object,
  )
  expect(nothing?.metadata.name).not.toBe(own?.metadata.name)
  expect(JSON.stringify(nothing).replaceAll('database-no-archive', 'database-archive-dc-a')).toBe(JSON.stringify(own))
})

test('the key of a certificate authority is never copied', () => {
  const secret = (data: Record<string, string>) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, data })
  const copies = copiedStreamingSecrets(theDatabase(), databaseStack(), 'pg-dc-a', {
    certificate: secret({ 'tls.crt': 'crt', 'tls.key': 'key' }),
    authority: secret({ 'ca.crt': 'authority', 'ca.key': 'never' }),
  })
  expect(JSON.stringify(copies)).toContain('authority')
  expect(JSON.stringify(copies)).not.toContain('never')
})

describe('merging', () => {
  test('goes key by key, lists of named things by name, and replaces the rest', () => {
    const under = { a: { b: 1, c: 2 }, list: [1, 2], named: [{ name: 'x', v: 1 }, { name: 'y' }] }
    const over = { a: { c: 3 }, list: [3], named: [{ name: 'x', v: 2 }, { name: 'z' }] }
    expect(mergeSpecs(under, over)).toEqual({
      a: { b: 1, c: 3 },
      list: [3],
      named: [{ name: 'x', v: 2 }, { name: 'y' }, { name: 'z' }],
    })
  })
  test('leaves both sides as they were', () => {
    const under = Object.freeze({ a: Object.freeze({ b: 1 }) })
    mergeSpecs(under, { a: { b: 2 } })
    expect(under).toEqual({ a: { b: 1 } })
  })
})

describe('the stack file', () => {
  const problems = (more: Partial<CloudNativePgSpec>): string[] => {
    const component = theDatabase(more)
    return problemsOf(component, databaseStack(component)).map(
      (problem) => `${problem.path.join('.')}: ${problem.what}`,
    )
  }
  const sites = theDatabase().spec.sites
  test('of the published kind has no problem', () => expect(problems({})).toEqual([]))
  test('with an undeclared store names it', () =>
    expect(problems({ archive: { store: 'archiv' } })[0]).toContain('no component archiv'))
  test('with one name for both clusters is refused: each must name the other', () => {
    expect(problems({ sites: { ...sites, 'dc-b': { ...sites['dc-a'], name: 'pg-dc-a' } } }).join()).toContain(
      'the names must differ',
    )
  })
  test('that streams must say how each site is reached', () => {
    expect(problems({ sites: { ...sites, 'dc-b': { name: 'pg-dc-b' } } })[0]).toContain('sites.dc-b')
  })
  test('with five fields in a schedule is refused: the first of six is seconds', () => {
    expect(problems({ schedule: '15 2 * * *' })[0]).toContain('must have 6 (second minute')
  })
  test('each cluster and each archive prefix has one owner', () => {
    const claimed = claimsOf(theDatabase()).map(({ key, below = '' }) => `${key}${below}`)
    expect(new Set(claimed).size).toBe(claimed.length)
    expect(claimed).toContain('kubernetes dc-a infisical/Cluster/pg-dc-a')
  })
})

describe('the rights', () => {
  const rules = accessOf(theDatabase(), databaseStack())
  test('of the observer are to read, without exec and without changing anything', () => {
    for (const rule of rules.filter((one) => one.identity === 'observer' && one.kind === 'kubernetes')) {
      if (rule.kind !== 'kubernetes') continue
      expect(rule.verbs.every((verb) => ['get', 'list', 'watch'].includes(verb))).toBe(true)
      expect(rule.resources).not.toContain('pods/exec')
    }
  })
  test('to read Secrets always name them, outside of the sandbox', () => {
    for (const rule of rules) {
      if (rule.kind !== 'kubernetes' || rule.namespace === IN_SANDBOX || !rule.resources.includes('secrets')) continue
      if (rule.verbs.includes('get')) expect(rule.resourceNames?.length ?? 0).toBeGreaterThan(0)
    }
  })
  test('of the mover change the one cluster that it moves', () => {
    const patches = rules.filter(
      (rule) =>
        rule.kind === 'kubernetes' &&
        rule.identity === 'mover' &&
        rule.resources.includes('clusters') &&
        rule.verbs.includes('patch'),
    )
    expect(patches.map((rule) => (rule.kind === 'kubernetes' ? rule.resourceNames : []))).toEqual([
      ['pg-dc-a'],
      ['pg-dc-b'],
    ])
  })
})

test('an archive with a private authority names it wherever it is named, from the Secret that brings its keys', () => {
  const component = theDatabase()
  const archive: Archive = {
    site: 'dc-a' as SiteName,
    location: { ...location('dc-a'), authorities: 'PEM' },
    serverName: 'pg-dc-a-g2',
  }
  const declared = { endpointCA: { name: 'database-archive-dc-a', key: 'ca.crt' } }
  const secret = archiveSecret(component, databaseStack(component), archive, {
    accessKeyId: 'id',
    secretAccessKey: 'key',
  })
  expect(secret.object).toMatchObject({
    metadata: { name: 'database-archive-dc-a' },
    data: { 'ca.crt': Buffer.from('PEM').toString('base64') },
  })
  expect(objectStoreManifest(component, databaseStack(component), archive).object.spec).toMatchObject({
    configuration: declared,
  })
  const inTree = { archive: { store: 'archive', method: 'in-tree' } } as const
  const all = [archive, ...archives.slice(1)]
  const own = specOf({ site: 'dc-a' as SiteName, archives: all }, inTree)
  expect(own.backup?.barmanObjectStore).toMatchObject(declared)
  const peers = specOf({ archives: all }, inTree).externalClusters.map(({ barmanObjectStore }) => barmanObjectStore)
  expect(peers).toEqual([
    expect.objectContaining(declared),
    expect.not.objectContaining({ endpointCA: expect.anything() }),
  ])
})

test('an archive that is opened by the login of the pods names no key, and its Secret holds none', () => {
  const component = theDatabase()
  const login = { login: 'aws' } as const
  const archive: Archive = {
    site: 'dc-a' as SiteName,
    location: { ...location('dc-a'), credentials: login, readCredentials: login },
    serverName: 'pg-dc-a-g2',
  }
  const configuration = objectStoreManifest(component, databaseStack(component), archive).object.spec as {
    readonly configuration: JsonObject
  }
  expect(configuration.configuration.s3Credentials).toEqual({ inheritFromIAMRole: true })
  expect(Object.keys(archiveSecret(component, databaseStack(component), archive, null).object.data ?? {})).toEqual([
    'REGION',
  ])
})

test('where any archive has authorities, the store that has nothing says so: a move leaves no archive then', () => {
  const component = theDatabase()
  const place = { component, site: 'dc-b' as SiteName, context: { stack: databaseStack(component) } }
  const nothingOf = (all: readonly Archive[]) =>
    storesOf(place, all).find(({ object }) => object.metadata.name === noArchiveName(component))?.object.spec
  const [first, second] = archives
  if (first === undefined || second === undefined) throw new Error('no archives')
  const secure = { ...first, location: { ...first.location, authorities: 'PEM' } }
  expect(nothingOf([secure, second])).toMatchObject({
    configuration: { endpointCA: { name: noArchiveName(component) } },
  })
  expect(nothingOf(archives)).toEqual({
    configuration: expect.not.objectContaining({ endpointCA: expect.anything() }),
    instanceSidecarConfiguration: expect.anything(),
  })
})
