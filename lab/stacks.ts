import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Document, isNode, parse, parseDocument, stringify } from 'yaml'
import type { KubernetesClient, KubernetesObject } from '../src/clients/kubernetes-client.ts'
import type { Identity } from '../src/domain/identities.ts'
import type { CloudNativePgSpec } from '../src/drivers/cloudnative-pg/spec.ts'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { accessRulesOf, identitiesOf } from '../src/operations/access.ts'
import { accessObjects } from '../src/platform/kubernetes/access.ts'
import { openKubernetes } from '../src/platform/kubernetes/client/open.ts'
import { loadStack } from '../src/stack/load-stack.ts'
import { canaryEnvironment } from './canary.ts'
import { type LabEnvironment, mintKubeconfig } from './environment.ts'
import type { Credentials } from './ledger/application-client.ts'
import { dnsCredentials, nginxAndDnsComponents } from './nginx-and-dns-components.ts'
import type { PreparedStack } from './prepared-stack.ts'
import type { PrivateStore } from './private-store.ts'
import { runDirectory, type SiteName } from './topology.ts'

/** The published stacks, and what of the lab each of them gets. */
export const labStacks = {
  'infisical-kubernetes': {
    namespace: 'infisical',
    chart: 'infisical-standalone',
    values: 'infisical',
    appSecret: 'infisical-secrets',
    image: 'infisical',
    database: 'infisical',
    buckets: { 'dc-a': 'infisical-dc-a', 'dc-b': 'infisical-dc-b', 'dc-c': 'infisical-dc-c' },
    postgresPort: 30432,
    applicationPort: 30080,
    frontendPort: 80,
    mapKey: 'active',
  },
  'hanzo-kms': {
    namespace: 'hanzo-kms',
    chart: 'hanzo-kms-standalone',
    values: 'kms',
    appSecret: 'kms-secrets',
    image: 'hanzoKms',
    database: 'kms',
    buckets: { 'dc-a': 'hanzo-dc-a', 'dc-b': 'hanzo-dc-b', 'dc-c': 'hanzo-dc-c' },
    postgresPort: 30433,
    applicationPort: 30081,
    frontendPort: 81,
    mapKey: 'active-hanzo',
  },
} as const
export type LabStackName = keyof typeof labStacks

/** A published stack on clusters of the lab. */
export interface LabStack extends PreparedStack {
  readonly name: LabStackName
  readonly admin: Readonly<Record<SiteName, KubernetesClient>>
}

const repository = resolve(import.meta.dirname, '..')

/** What a user may want otherwise than the published stack has it. */
export interface Wishes {
  /**
   * A failover waits until the guard of the lost site must have shut it; with short times, since a test must not
   * take four minutes.
   */
  readonly guardSelfFencing?: boolean
  /**
   * As many PostgreSQL instances and replicas of the application as the published stack has; else one of each, for both
   * sites share two cores.
   */
  readonly publishedSize?: boolean
  /** On how many sites of the lab it stands; two, where nothing is said, whatever the lab has. */
  readonly sites?: number
  /**
   * Two more doors beside the HAProxy hosts: NGINX hosts (`proxies`) and a DNS record (`dns`). The lab has them after
   * `up --nginx-and-dns`.
   */
  readonly nginxAndDns?: boolean
  /** How long WAL segments are, in MB; 16, where nothing is said. */
  readonly walSegments?: number
  /** Who archives the WAL; the plugin, where nothing is said. */
  readonly archive?: CloudNativePgSpec['archive']['method']
  /**
   * How the passive site follows; as the published stack does, where nothing is said: by streaming, with the archive as
   * its fallback.
   */
  readonly follow?: CloudNativePgSpec['follow']
  /**
   * Where witness and archives are asked, and the authority that vouches for it (PEM); the lab's own store without TLS,
   * where nothing is said.
   */
  readonly store?: Pick<PrivateStore, 'endpoint' | 'authorities'>
}

/** Adapts a published stack to the running lab; a second call finds everything as it left it. */
export async function prepareStack(
  name: LabStackName,
  whole: LabEnvironment,
  signal: AbortSignal,
  wishes: Wishes = {},
): Promise<LabStack> {
  const lab = { ...whole, sites: whole.sites.slice(0, wishes.sites ?? 2) }
  if (lab.sites.length < (wishes.sites ?? 2))
    throw new Error(`the lab has ${lab.sites.length} sites: npm run lab -- up --sites ${wishes.sites}`)
  const directory = join(runDirectory, 'stacks', name)
  const path = await adaptFiles(name, lab, directory, wishes)
  const admin = Object.fromEntries(
    await Promise.all(
      lab.sites.map(async (site) => [
        site.name,
        openKubernetes({
          site: site.name,
          kubeconfig: await readFile(site.kubeconfig, 'utf8'),
          context: undefined,
          signal,
        }),
      ]),
    ),
  ) as Record<SiteName, KubernetesClient>
  const secrets = await secretsOf(name, directory)
  const stack = await loadStack(path, { drivers, witnesses })
  for (const site of stack.sites) {
    const labSite = site.name as string as SiteName
    await createPrerequisites(name, admin[labSite], labSite, secrets)
    for (const object of accessObjects(stack, site, accessRulesOf(stack, drivers), identitiesOf(stack, drivers)))
      await admin[labSite].apply(object, { force: true })
  }
  const kubeconfigs = new Map<Identity, Promise<Record<string, string>>>()
  return {
    name,
    path,
    directory,
    addresses: lab.loadBalancers.map((balancer) => `http://${balancer.host}:${labStacks[name].frontendPort}`),
    admin,
    async environmentOf(identity) {
      const minted = kubeconfigs.get(identity) ?? mintAll(lab, stack.name, identity)
      kubeconfigs.set(identity, minted)
      return { ...(await minted), ...credentialsOf(lab, identity, directory) }
    },
  }
}

/** A file beside the stack file. */
const AUTHORITY = 'store-authority.pem'

/** What a user does by hand: copy the folder, replace what is marked "yours". */
async function adaptFiles(name: LabStackName, lab: LabEnvironment, directory: string, wishes: Wishes): Promise<string> {
  const facts = labStacks[name]
  await rm(join(directory, 'values'), { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  await cp(join(repository, 'stacks', name), directory, { recursive: true })
  const path = join(directory, 'standby.yaml')
  const document = parseDocument(await readFile(path, 'utf8'))
  const set = (where: string, value: unknown): void => document.setIn(where.split('.'), value)
  const endpoint = wishes.store?.endpoint ?? lab.s3.endpoint
  for (const site of lab.sites.slice(2)) declareSite(document, site.name)
  for (const site of lab.sites) {
    set(`sites.${site.name}.kubernetes.clusterId`, site.clusterId)
    set(`components.archive.sites.${site.name}.endpoint`, endpoint)
    if (wishes.store !== undefined) set(`components.archive.sites.${site.name}.endpointCA`, AUTHORITY)
    set(`components.archive.sites.${site.name}.region`, lab.s3.region)
    set(`components.archive.sites.${site.name}.bucket`, facts.buckets[site.name])
    if (wishes.follow === 'archive') document.deleteIn(['components', 'database', 'sites', site.name, 'streaming'])
    else set(`components.database.sites.${site.name}.streaming`, { host: site.address, nodePort: facts.postgresPort })
  }
  if (wishes.archive !== undefined) set('components.database.archive.method', wishes.archive)
  if (wishes.follow !== undefined) set('components.database.follow', wishes.follow)
  set('witness.endpoint', endpoint)
  if (wishes.store !== undefined) {
    set('witness.endpointCA', AUTHORITY)
    await writeFile(join(directory, AUTHORITY), wishes.store.authorities)
  }
  set('witness.region', lab.s3.region)
  set('components.cache.image', lab.images.tools)
  set('components.cache.storage', '1Gi')
  set('components.cache.backup.images', { dump: lab.images.tools, upload: lab.images.tools })
  set('components.guard.image', lab.images.node)
  if (wishes.guardSelfFencing === true) {
    set('fencing', { failover: 'database' })
    for (const [time, value] of Object.entries({ every: '2s', silence: '5s', closeAfter: '10s' }))
      set(`components.guard.${time}`, value)
  }
  set('components.application.chart', { path: join(repository, 'lab', 'charts', facts.chart) })
  set('components.application.values.all', ['values/application.yaml', 'values/lab.yaml'])
  set('components.traffic.key', facts.mapKey)
  set(
    'components.traffic.instances',
    lab.loadBalancers.map((balancer) => ({
      host: balancer.host,
      url: `http://${balancer.host}:${facts.frontendPort}/api/status`,
    })),
  )
  set('components.traffic.ssh.user', lab.loadBalancers[0]?.user)
  if (wishes.nginxAndDns === true)
    for (const [component, declared] of Object.entries(nginxAndDnsComponents(lab)))
      set(`components.${component}`, declared)
  await writeFile(path, document.toString({ lineWidth: 0 }))
  const published = parse(await readFile(join(directory, 'values', 'database.yaml'), 'utf8')) as {
    readonly instances: number
  }
  const { instances } = wishes.publishedSize === true ? published : { instances: 1 }
  await writeFile(
    join(directory, 'values', 'database.yaml'),
    stringify(databaseValues(lab, instances, wishes.walSegments)),
  )
  const size = wishes.publishedSize === true ? {} : { replicaCount: 1 }
  await writeFile(join(directory, 'values', 'lab.yaml'), stringify(applicationValues(name, lab, size)))
  return path
}

/**
 * What a user of a third site adds: wherever the published stack names the second one, the same again for the new one.
 */
function declareSite(document: Document, site: SiteName): void {
  const upper = (name: SiteName): string => name.toUpperCase().replaceAll('-', '_')
  for (const where of PER_SITE) {
    const second = document.getIn([...where, 'dc-b'])
    const text = JSON.stringify(isNode(second) ? second.toJS(document) : second)
    document.setIn(
      [...where, site],
      document.createNode(JSON.parse(text.replaceAll('dc-b', site).replaceAll(upper('dc-b'), upper(site)))),
    )
  }
}
const PER_SITE = [
  ['sites'],
  ['components', 'archive', 'sites'],
  ['components', 'database', 'sites'],
  ['components', 'traffic', 'backends'],
] as const

/** Small enough for two sites on two cores; the durability settings are those of production. */
function databaseValues(lab: LabEnvironment, instances: number, walSegmentSize: number | undefined): object {
  return {
    instances,
    imageName: lab.images.postgresql,
    imagePullPolicy: 'IfNotPresent',
    primaryUpdateMethod: 'restart',
    smartShutdownTimeout: 0,
    enablePDB: false,
    storage: { size: '2Gi' },
    ...(walSegmentSize === undefined ? {} : { bootstrap: { initdb: { walSegmentSize } } }),
    postgresql: { parameters: { shared_buffers: '32MB', max_connections: '50', archive_timeout: '10s' } },
  }
}

function applicationValues(name: LabStackName, lab: LabEnvironment, size: { readonly replicaCount?: number }): object {
  const facts = labStacks[name]
  const [repositoryName, tag] = splitImage(lab.images[facts.image])
  return {
    [facts.values]: {
      ...size,
      image: { repository: repositoryName, tag, pullPolicy: 'IfNotPresent' },
      service: { type: 'NodePort', nodePort: facts.applicationPort },
      resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '300Mi' } },
      readinessProbe: { initialDelaySeconds: 0, periodSeconds: 1 },
    },
  }
}

function splitImage(image: string): [string, string] {
  const at = image.lastIndexOf(':')
  return [image.slice(0, at), image.slice(at + 1)]
}

interface StackSecrets {
  readonly encryptionKey: string
  readonly authSecret: string
  readonly organizationKey: string
  readonly superuser: string
  readonly owner: string
  readonly redis: string
}

/** Generated once per lab, so that both sites and every later run have the same. */
async function secretsOf(name: LabStackName, directory: string): Promise<StackSecrets> {
  const path = join(directory, 'secrets.json')
  if (existsSync(path)) return JSON.parse(await readFile(path, 'utf8')) as StackSecrets
  const secrets: StackSecrets = {
    encryptionKey: randomBytes(name === 'hanzo-kms' ? 32 : 16).toString(name === 'hanzo-kms' ? 'base64' : 'hex'),
    authSecret: randomBytes(32).toString('base64'),
    organizationKey: randomBytes(32).toString('base64'),
    superuser: randomBytes(16).toString('hex'),
    owner: randomBytes(16).toString('hex'),
    redis: randomBytes(16).toString('hex'),
  }
  await writeFile(path, JSON.stringify(secrets), { mode: 0o600 })
  return secrets
}

/** What the README of the stack asks for before the first deploy: namespace and Secrets, equal on both sites. */
async function createPrerequisites(
  name: LabStackName,
  kubernetes: KubernetesClient,
  site: SiteName,
  secrets: StackSecrets,
): Promise<void> {
  const { namespace, appSecret, database } = labStacks[name]
  const secret = (secretName: string, stringData: Record<string, string>, type = 'Opaque'): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace },
    type,
    stringData,
  })
  const application: Record<string, string> = {
    AUTH_SECRET: secrets.authSecret,
    SITE_URL: 'http://standby.lab',
    DB_CONNECTION_URI: `postgresql://${database}:${secrets.owner}@pg-${site}-rw.${namespace}.svc:5432/${database}`,
    REDIS_URL: `redis://:${secrets.redis}@redis.${namespace}.svc:6379`,
    ...(name === 'hanzo-kms'
      ? {
          ROOT_ENCRYPTION_KEY: secrets.encryptionKey,
          ORG_ENCRYPTION_KEYS: JSON.stringify({ standby: secrets.organizationKey }),
        }
      : { ENCRYPTION_KEY: secrets.encryptionKey }),
  }
  const objects: KubernetesObject[] = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    secret('pg-superuser', { username: 'postgres', password: secrets.superuser }, 'kubernetes.io/basic-auth'),
    secret(`pg-${database}`, { username: database, password: secrets.owner }, 'kubernetes.io/basic-auth'),
    secret('redis', { password: secrets.redis }),
    secret(appSecret, application),
  ]
  for (const object of objects) await kubernetes.apply(object, { force: true, fieldManager: 'lab' })
}

async function mintAll(lab: LabEnvironment, stack: string, identity: Identity): Promise<Record<string, string>> {
  const entries = await Promise.all(
    lab.sites.map(async (site) => [
      `STANDBY_KUBECONFIG_${site.name.toUpperCase().replaceAll('-', '_')}`,
      await mintKubeconfig(site.name, `standby-${identity}`, `standby-${stack}`),
    ]),
  )
  return Object.fromEntries(entries) as Record<string, string>
}

/** S3 keys per identity, ssh only for those who move traffic. */
function credentialsOf(lab: LabEnvironment, identity: Identity, directory: string): Record<string, string> {
  // The guard reads, as an observer does; it is never an operation of its own here.
  const { observer } = lab.s3.accounts
  const witness = identity === 'guard' ? observer : lab.s3.accounts[identity]
  const reader = lab.s3.accounts.reader
  const env: Record<string, string> = {
    STANDBY_WITNESS_ACCESS_KEY_ID: witness.accessKeyId,
    STANDBY_WITNESS_SECRET_ACCESS_KEY: witness.secretAccessKey,
    STANDBY_GUARD_ACCESS_KEY_ID: observer.accessKeyId,
    STANDBY_GUARD_SECRET_ACCESS_KEY: observer.secretAccessKey,
    ...(identity === 'mover'
      ? { ARCHIVE_POLICY_ACCESS_KEY_ID: witness.accessKeyId, ARCHIVE_POLICY_SECRET_ACCESS_KEY: witness.secretAccessKey }
      : {}),
    ARCHIVE_READER_ACCESS_KEY_ID: reader.accessKeyId,
    ARCHIVE_READER_SECRET_ACCESS_KEY: reader.secretAccessKey,
    STANDBY_SSH_PRIVATE_KEY: lab.loadBalancers[0]?.privateKey ?? '',
    STANDBY_SSH_KNOWN_HOSTS: lab.loadBalancers[0]?.knownHosts ?? '',
    ...(lab.nginxAndDns === undefined ? {} : dnsCredentials(lab.nginxAndDns)),
  }
  for (const { name: site } of lab.sites) {
    const keys = identity === 'deployer' || identity === 'mover' ? lab.s3.accounts[`archive-${site}`] : reader
    const prefix = `ARCHIVE_${site.toUpperCase().replaceAll('-', '_')}`
    env[`${prefix}_ACCESS_KEY_ID`] = keys.accessKeyId
    env[`${prefix}_SECRET_ACCESS_KEY`] = keys.secretAccessKey
  }
  const canary = join(directory, 'canary.json')
  return existsSync(canary)
    ? { ...env, ...canaryEnvironment(JSON.parse(readFileSync(canary, 'utf8')) as Credentials) }
    : env
}
