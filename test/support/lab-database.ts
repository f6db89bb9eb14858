import { randomBytes, randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { type LabEnvironment, readLabEnvironment } from '../../lab/environment.ts'
import type { KubernetesClient, KubernetesObject } from '../../src/clients/kubernetes-client.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../src/clients/object-store-client.ts'
import { connect, type World } from '../../src/composition/connect.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import { SANDBOX_LABEL, sandboxNamespace } from '../../src/platform/kubernetes/sandbox.ts'
import type { Log } from '../../src/runtime/log.ts'

/** A pair of databases of a test's own, in namespaces of its own, in the running lab. */
export interface LabDatabase {
  readonly name: string
  readonly namespace: string
  readonly lab: LabEnvironment
  readonly world: World
  /** Reads the stack file anew, after a test has changed it. */
  readAgain(): Promise<World>
  readonly lines: readonly string[]
  /** Of the stack file and its database.yaml. */
  readonly directory: string
  /** What database.yaml holds. */
  readonly clusterSpec: Readonly<Record<string, unknown>>
  admin(site: string): KubernetesClient
  /** The bucket of a site below this test's prefix, with the rights to damage it. */
  archive(site: string): ObjectStoreClient
  cluster(site: string): string
  /** How a client outside reaches the databases, and as whom. */
  readonly access: {
    readonly addresses: readonly { readonly host: string; readonly port: number }[]
    readonly user: string
    readonly password: string
    readonly database: string
  }
  sql(site: string, text: string): Promise<string>
  remove(): Promise<void>
}

const SITES = ['dc-a', 'dc-b'] as const

export interface LabDatabaseOptions {
  readonly follow?: 'archive' | 'archive-and-streaming'
  readonly method?: 'plugin' | 'in-tree'
  readonly tables?: readonly string[]
  /** Instead of one that the test makes on both sites. */
  readonly ownerSecret?: string
  readonly cluster?: Readonly<Record<string, unknown>>
  /** The witness and the archives take whoever is logged in, in place of keys: this process is the store's owner. */
  readonly login?: boolean
  /** Components of the stack file beside the database and its archive. */
  readonly beside?: (namespace: string, lab: LabEnvironment) => Readonly<Record<string, object>>
  /** Files beside the stack file that these components name, by path. */
  readonly files?: (lab: LabEnvironment) => Readonly<Record<string, string>>
  /** Hears every line as it comes. */
  readonly tell?: (line: string) => void
}

/**
 * What the README of a stack asks for before the first deploy: namespaces, and Secrets that are the same on both sites.
 */
export async function prepareLabDatabase(options: LabDatabaseOptions = {}): Promise<LabDatabase> {
  const lab = await readLabEnvironment()
  const ending = new AbortController()
  const name = `t-cnpg-${randomBytes(3).toString('hex')}`
  const port = randomInt(31_000, 32_700)
  const directory = mkdtempSync(join(tmpdir(), 'standby-database-'))
  const admins = new Map<string, KubernetesClient>(
    lab.sites.map((site) => [
      site.name,
      openKubernetes({ site: site.name, kubeconfig: readFileSync(site.kubeconfig, 'utf8'), signal: ending.signal }),
    ]),
  )
  const admin = (site: string): KubernetesClient => {
    const client = admins.get(site)
    if (client === undefined) throw new Error(`the lab has no site ${site}`)
    return client
  }
  const passwords = { superuser: randomBytes(12).toString('hex'), owner: randomBytes(12).toString('hex') }
  for (const site of SITES)
    for (const object of prerequisites(name, passwords)) await admin(site).apply(object, { force: true })

  writeFileSync(join(directory, 'database.yaml'), stringify(clusterSpec(lab, options.cluster ?? {})))
  for (const [path, text] of Object.entries(options.files?.(lab) ?? {})) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  const stackPath = join(directory, 'standby.yaml')
  writeFileSync(stackPath, stringify(stackFile(name, lab, port, options)))
  const lines: string[] = []
  const say = (level: string) => (line: string) => {
    lines.push(line)
    options.tell?.(`${new Date().toISOString().slice(11, 23)} ${level} ${line}`)
  }
  const log: Log = { info: say(' '), warning: say('!'), debug: say('.') }
  const env = environment(lab, options)
  const readAgain = (): Promise<World> =>
    connect({
      stackPath,
      signal: ending.signal,
      log,
      env,
      credentialsInput: null,
      identity: 'mover',
      mask: () => undefined,
    })
  const world = await readAgain()
  const cluster = (site: string): string => `pg-${site}`
  const root = (bucket: string, prefix: string): ObjectStoreClient =>
    openObjectStore({ endpoint: lab.s3.endpoint, region: lab.s3.region, bucket, prefix, ...lab.s3.root })
  return {
    name,
    namespace: name,
    lab,
    world,
    readAgain,
    lines,
    directory,
    clusterSpec: clusterSpec(lab, options.cluster ?? {}),
    admin,
    cluster,
    access: {
      addresses: lab.sites.map((site) => ({ host: site.address, port })),
      user: 'app',
      password: passwords.owner,
      database: 'app',
    },
    archive: (site) => root(`infisical-${site}`, `${name}/`),
    async sql(site, text) {
      const pod = { namespace: name, name: `${cluster(site)}-1`, container: 'postgres' }
      const answer = await admin(site).exec(
        pod,
        ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres', '-d', 'app', '-f', '-'],
        {
          stdin: text,
          deadline: 30_000,
        },
      )
      if (answer.code !== 0) throw new Error(answer.stderr)
      return answer.stdout.trim()
    },
    async remove() {
      const namespaces = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespace: null }
      await Promise.all(
        SITES.flatMap((site) =>
          [name, sandboxNamespace(name)].map((one) => admin(site).remove({ ...namespaces, name: one })),
        ),
      )
      for (const store of [
        ...SITES.map((site) => root(`infisical-${site}`, `${name}/`)),
        root('standby-witness', `${name}/`),
      ])
        for (const object of await store.list('')) await store.remove(object.key)
      ending.abort()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function prerequisites(
  name: string,
  passwords: { readonly superuser: string; readonly owner: string },
): KubernetesObject[] {
  const secret = (secretName: string, username: string, password: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace: name },
    type: 'kubernetes.io/basic-auth',
    stringData: { username, password },
  })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: sandboxNamespace(name), labels: { [SANDBOX_LABEL]: 'true' } },
    },
    secret('pg-superuser', 'postgres', passwords.superuser),
    secret('pg-owner', 'app', passwords.owner),
  ]
}

function clusterSpec(lab: LabEnvironment, more: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    instances: 1,
    imageName: lab.images.postgresql,
    imagePullPolicy: 'IfNotPresent',
    enablePDB: false,
    storage: { size: '2Gi' },
    postgresql: { parameters: { shared_buffers: '32MB', max_connections: '50', archive_timeout: '10s' } },
    ...more,
  }
}

function stackFile(name: string, lab: LabEnvironment, port: number, options: LabDatabaseOptions): object {
  const bySite = <T>(make: (site: (typeof SITES)[number], index: number) => T): Record<string, T> =>
    Object.fromEntries(SITES.map((site, index) => [site, make(site, index)]))
  const pair = (prefix: string): object => ({
    accessKeyId: { env: `${prefix}_ID` },
    secretAccessKey: { env: `${prefix}_KEY` },
  })
  const keys = (prefix: string): object => (options.login === true ? { login: 'aws' } : pair(prefix))
  const place = { endpoint: lab.s3.endpoint, region: lab.s3.region, prefix: `${name}/` }
  const addressOf = (site: string): string => lab.sites.find((one) => one.name === site)?.address ?? ''
  return {
    standby: 1,
    name,
    sites: bySite((site, index) => ({
      kubernetes: {
        kubeconfig: { file: lab.sites[index]?.kubeconfig },
        clusterId: lab.sites.find((one) => one.name === site)?.clusterId,
      },
    })),
    initialActive: 'dc-a',
    objectives: { backupAge: '26h', restoreTime: '10m' },
    witness: { driver: 's3', ...place, bucket: 'standby-witness', credentials: keys('MOVER') },
    components: {
      archive: {
        driver: 's3',
        sites: bySite((site) => ({
          ...place,
          bucket: `infisical-${site}`,
          credentials: keys(site === 'dc-a' ? 'ARCHIVE_A' : 'ARCHIVE_B'),
          readCredentials: keys('READER'),
          policyCredentials: pair('MOVER'),
        })),
      },
      database: {
        driver: 'cloudnative-pg',
        needs: ['archive'],
        namespace: name,
        database: 'app',
        owner: 'app',
        archive: { method: options.method ?? 'plugin', store: 'archive', prefix: 'postgresql' },
        follow: options.follow ?? 'archive-and-streaming',
        schedule: '0 15 2 * * *',
        retention: '30d',
        secrets: { superuser: 'pg-superuser', owner: options.ownerSecret ?? 'pg-owner' },
        cluster: { file: 'database.yaml' },
        manifest: { tables: options.tables ?? ['users', 'secrets'] },
        sites: bySite((site) => ({ name: `pg-${site}`, streaming: { host: addressOf(site), nodePort: port } })),
      },
      ...options.beside?.(name, lab),
    },
  }
}

function environment(lab: LabEnvironment, { login }: LabDatabaseOptions): Record<string, string> {
  const accounts = { MOVER: 'mover', ARCHIVE_A: 'archive-dc-a', ARCHIVE_B: 'archive-dc-b', READER: 'reader' } as const
  const keys = Object.fromEntries(
    Object.entries(accounts).flatMap(([prefix, account]) => [
      [`${prefix}_ID`, lab.s3.accounts[account].accessKeyId],
      [`${prefix}_KEY`, lab.s3.accounts[account].secretAccessKey],
    ]),
  )
  const { accessKeyId, secretAccessKey } = lab.s3.root
  return login === true ? { ...keys, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } : keys
}
