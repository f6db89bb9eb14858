import { type AccessKeys, AUTHORITIES, accessKeysInSecret, authoritiesInSecret } from '../../../clients/access-keys.ts'
import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import { isLogin, type ObjectStoreLocation } from '../../../clients/object-store-client.ts'
import type { SiteName, Stack } from '../../../domain/stack.ts'
import { type DeclaredObject, ownedBy } from '../../../platform/kubernetes/declared-objects.ts'
import { sized } from '../../../platform/kubernetes/pod-resources.ts'
import type { JsonObject } from '../../../values/json.ts'
import { BACKUP, CLUSTER, NO_ARCHIVE, OBJECT_STORE, PLUGIN, SCHEDULED_BACKUP, SECRET } from '../objects.ts'
import { archiveFolder, archiveMethod, clusterOf, type Database, siteSpecOf } from '../spec.ts'
import { mergeSpecs } from './merge-specs.ts'
import { sizesForSegments } from './sizes-for-segments.ts'

/** Where one site archives, and under which name: what every cluster of the pair must know of every site. */
export interface Archive {
  readonly site: SiteName
  readonly location: ObjectStoreLocation
  readonly serverName: string
}

export interface ClusterDeclaration {
  readonly component: Database
  readonly stack: Stack
  readonly site: SiteName
  readonly archives: readonly Archive[]
  readonly userSpec: JsonObject
  /** Owned by moves: a deploy repeats what is live. */
  readonly replica: { readonly primary: string; readonly source: string }
  /** Repeated from the live object: it is only read at creation. */
  readonly bootstrap: JsonObject
  /** The other sites whose copied Secrets, which streaming needs, are there. */
  readonly streaming: readonly SiteName[]
}

/** Name of the Secret and of the ObjectStore of a site's archive, in every site's namespace. */
export const archiveName = (component: Database, site: SiteName): string => `${component.name}-archive-${site}`

/** Name of the empty ObjectStore (`leave-archive.ts`), and of the Secret with its keys, which never exists. */
export const noArchiveName = (component: Database): string => `${component.name}${NO_ARCHIVE}`

export const streamingSecrets = (cluster: string): { certificate: string; authority: string } => ({
  certificate: `${cluster}-replication`,
  authority: `${cluster}-ca`,
})
/** Copies carry their own name: the operator of this site would take over a Secret that is named like its own. */
export const copiedSecrets = (cluster: string): { certificate: string; authority: string } => {
  const own = streamingSecrets(cluster)
  return { certificate: `standby-${own.certificate}`, authority: `standby-${own.authority}` }
}

/**
 * The access keys of one archive as a Secret: keys that write in the namespace of its own site, keys that read
 * elsewhere. Null: none, where the pods use the login of their ServiceAccount.
 */
export function archiveSecret(
  component: Database,
  stack: Stack,
  archive: Archive,
  keys: AccessKeys | null,
): DeclaredObject {
  return {
    plural: SECRET.plural,
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: archiveName(component, archive.site),
        namespace: component.spec.namespace,
        labels: ownedBy(stack.name, component.name),
      },
      type: 'Opaque',
      data: {
        ...(keys === null ? {} : accessKeysInSecret(keys)),
        REGION: base64(archive.location.region),
        ...authoritiesInSecret(archive.location),
      },
    },
  }
}
const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')

/** How an archive is reached, in the words that the in-tree archive and the plugin share. */
export function archiveConfiguration(component: Database, archive: Archive, credentials: string): JsonObject {
  const { location } = archive
  return {
    destinationPath: `s3://${location.bucket}/${location.prefix}${archiveFolder(component)}`,
    endpointURL: location.endpoint,
    ...(location.authorities === undefined ? {} : { endpointCA: { name: credentials, key: AUTHORITIES } }),
    s3Credentials: keysOfArchive(location, credentials),
    // A second worker asks for a segment that is not there yet: one more Python start in the write gap (measured).
    wal: { compression: 'gzip', maxParallel: 1 },
    // A backup that a person waits for takes 9 s instead of 71 s. Not compressed: gzip took 25 s of the CPU that the
    // new primary needs.
    data: { immediateCheckpoint: true },
  }
}

/**
 * Newer boto3 adds checksums that many S3 services refuse. It runs beside PostgreSQL for the plugin, and in the pod of
 * PostgreSQL for the in-tree archive.
 */
const BOTO: readonly JsonObject[] = [
  { name: 'AWS_REQUEST_CHECKSUM_CALCULATION', value: 'when_required' },
  { name: 'AWS_RESPONSE_CHECKSUM_VALIDATION', value: 'when_required' },
]

/**
 * With the login of the pod's ServiceAccount barman takes the region from it too, and refuses any other key beside it.
 */
function keysOfArchive({ credentials }: ObjectStoreLocation, secret: string): JsonObject {
  if (isLogin(credentials)) return { inheritFromIAMRole: true }
  return {
    accessKeyId: { name: secret, key: 'ACCESS_KEY_ID' },
    secretAccessKey: { name: secret, key: 'SECRET_ACCESS_KEY' },
    ...(credentials.sessionToken === undefined ? {} : { sessionToken: { name: secret, key: 'SESSION_TOKEN' } }),
    region: { name: secret, key: 'REGION' },
  }
}

/**
 * The plugin's object for one archive. Retention is the business of the site that writes there. The variables are the
 * same whatever its name: those of a peer's archive are part of each pod, which must not be made anew when another one
 * is named.
 */
export function objectStoreManifest(
  component: Database,
  stack: Stack,
  archive: Archive,
  {
    name = archiveName(component, archive.site),
    retention,
  }: { readonly name?: string; readonly retention?: string } = {},
): DeclaredObject {
  return {
    plural: OBJECT_STORE.plural,
    object: {
      apiVersion: OBJECT_STORE.apiVersion,
      kind: OBJECT_STORE.kind,
      metadata: {
        name,
        namespace: component.spec.namespace,
        labels: ownedBy(stack.name, component.name),
      },
      spec: {
        configuration: archiveConfiguration(component, archive, name),
        ...(retention === undefined ? {} : { retentionPolicy: retention }),
        instanceSidecarConfiguration: {
          ...(component.spec.archive.resources === undefined
            ? {}
            : { resources: sized({}, component.spec.archive.resources) }),
          env: BOTO,
        },
      },
    },
  }
}

/** What the user's own spec may change. */
const defaults = (component: Database, userSpec: JsonObject) => ({
  // One restart in place instead of a second promotion: one timeline per move.
  primaryUpdateMethod: 'restart',
  // With the operator's 180 s, one open session keeps all new ones out for three minutes after a promotion; 0 is no
  // smart shutdown at all (TryShuttingDownSmartFast in instance.go), and saves a second of every restart.
  smartShutdownTimeout: 0,
  // For the one setting with which a replica restarts ahead of its promotion (restart-ahead.ts). Who may use it is a
  // superuser, who may do anything.
  postgresql: { enableAlterSystem: true, ...sizesForSegments(userSpec) },
  ...(archiveMethod(component) === 'in-tree' ? { env: BOTO } : {}),
})

/** The Cluster of a site: our defaults, under the user's spec, under what a move needs. */
export function clusterManifest(declaration: ClusterDeclaration): DeclaredObject {
  const { component, stack, site, bootstrap, archives } = declaration
  // How a cluster begins is its role's business; `bootstrapOf` takes over the user's initdb options.
  const { bootstrap: _bootstrap, replica: _replica, ...userSpec } = declaration.userSpec
  const { spec } = component
  const name = clusterOf(component, site)
  const own = archives.find((archive) => archive.site === site)
  if (own === undefined) throw new Error(`no archive of ${site}`)
  const streaming = siteSpecOf(component, site).streaming
  return {
    plural: CLUSTER.plural,
    object: {
      apiVersion: CLUSTER.apiVersion,
      kind: CLUSTER.kind,
      metadata: { name, namespace: spec.namespace, labels: ownedBy(stack.name, component.name) },
      spec: mergeSpecs(mergeSpecs(defaults(component, declaration.userSpec), userSpec), {
        enableSuperuserAccess: true,
        superuserSecret: { name: spec.secrets.superuser },
        bootstrap,
        replica: { self: name, ...declaration.replica },
        ...archiving(component, own),
        externalClusters: stack.sites.map((one) => externalCluster(declaration, one.name)),
        ...(streaming === undefined
          ? {}
          : { managed: { services: { additional: [streamingService(name, streaming.nodePort)] } } }),
      }),
    } as KubernetesObject,
  }
}

function archiving(component: Database, own: Archive): JsonObject {
  if (archiveMethod(component) === 'in-tree')
    return {
      backup: {
        ...(component.spec.retention === undefined ? {} : { retentionPolicy: component.spec.retention }),
        barmanObjectStore: {
          serverName: own.serverName,
          ...archiveConfiguration(component, own, archiveName(component, own.site)),
        },
      },
    }
  return {
    plugins: [
      {
        name: PLUGIN,
        isWALArchiver: true,
        parameters: { barmanObjectName: archiveName(component, own.site), serverName: own.serverName },
      },
    ],
  }
}

/** Every site stands in the list of every site, itself included: the webhook asks for self, primary and source. */
function externalCluster(declaration: ClusterDeclaration, site: SiteName): JsonObject {
  const { component, archives } = declaration
  const archive = archives.find((one) => one.site === site)
  if (archive === undefined) throw new Error(`no archive of ${site}`)
  const name = clusterOf(component, site)
  const source =
    archiveMethod(component) === 'in-tree'
      ? {
          barmanObjectStore: {
            serverName: archive.serverName,
            ...archiveConfiguration(component, archive, archiveName(component, site)),
          },
        }
      : {
          plugin: {
            name: PLUGIN,
            parameters: { barmanObjectName: archiveName(component, site), serverName: archive.serverName },
          },
        }
  return {
    name,
    ...source,
    ...(declaration.streaming.includes(site) && site !== declaration.site ? streamingFrom(component, site) : {}),
  }
}

function streamingFrom(component: Database, site: SiteName): JsonObject {
  const { streaming, name } = siteSpecOf(component, site)
  if (streaming === undefined) return {}
  const copies = copiedSecrets(name)
  return {
    // verify-full cannot work with an address: the server's certificate carries only names.
    connectionParameters: {
      host: streaming.host,
      port: String(streaming.nodePort),
      user: 'streaming_replica',
      sslmode: 'verify-ca',
      dbname: 'postgres',
      // A site that is lost must not keep the archive waiting for the two minutes of a TCP connection.
      connect_timeout: '5',
    },
    sslKey: { name: copies.certificate, key: 'tls.key' },
    sslCert: { name: copies.certificate, key: 'tls.crt' },
    sslRootCert: { name: copies.authority, key: 'ca.crt' },
  }
}

const streamingService = (cluster: string, nodePort: number): JsonObject => ({
  selectorType: 'rw',
  serviceTemplate: {
    metadata: { name: `${cluster}-streaming` },
    spec: { type: 'NodePort', ports: [{ name: 'postgres', port: 5432, targetPort: 5432, nodePort, protocol: 'TCP' }] },
  },
})

/** How a cluster begins: the first active one empty, every other one from a backup of the active one. */
export function bootstrapOf(component: Database, activeCluster: string | null, userSpec: JsonObject = {}): JsonObject {
  const { database, owner, secrets } = component.spec
  const common = { database, owner, secret: { name: secrets.owner } }
  const options = ((userSpec.bootstrap ?? {}) as JsonObject).initdb as JsonObject | undefined
  return activeCluster === null
    ? { initdb: { dataChecksums: true, ...options, ...common } }
    : { recovery: { ...common, source: activeCluster } }
}

export function backupManifest(component: Database, stack: Stack, site: SiteName, name: string): KubernetesObject {
  return {
    apiVersion: BACKUP.apiVersion,
    kind: BACKUP.kind,
    metadata: { name, namespace: component.spec.namespace, labels: ownedBy(stack.name, component.name) },
    spec: { cluster: { name: clusterOf(component, site) }, target: 'primary', ...backupMethod(component) },
  }
}

const backupMethod = (component: Database): JsonObject =>
  archiveMethod(component) === 'plugin'
    ? { method: 'plugin', pluginConfiguration: { name: PLUGIN } }
    : { method: 'barmanObjectStore' }

export function scheduleManifest(
  component: Database,
  stack: Stack,
  site: SiteName,
  schedule: string,
  suspend: boolean,
): DeclaredObject {
  const name = clusterOf(component, site)
  return {
    plural: SCHEDULED_BACKUP.plural,
    object: {
      apiVersion: SCHEDULED_BACKUP.apiVersion,
      kind: SCHEDULED_BACKUP.kind,
      metadata: { name, namespace: component.spec.namespace, labels: ownedBy(stack.name, component.name) },
      spec: {
        schedule,
        suspend,
        backupOwnerReference: 'none',
        cluster: { name },
        target: 'primary',
        ...backupMethod(component),
      },
    },
  }
}

/** The objects of a copied streaming identity: the client certificate, and the authority without its key. */
export function copiedStreamingSecrets(
  component: Database,
  stack: Stack,
  cluster: string,
  live: { certificate: KubernetesObject; authority: KubernetesObject },
): DeclaredObject[] {
  const copies = copiedSecrets(cluster)
  const copy = (name: string, data: Record<string, string | undefined>): DeclaredObject => ({
    plural: SECRET.plural,
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name,
        namespace: component.spec.namespace,
        labels: { ...ownedBy(stack.name, component.name), 'cnpg.io/reload': 'true' },
      },
      type: 'Opaque',
      data,
    },
  })
  const certificate = live.certificate.data as Record<string, string>
  const authority = live.authority.data as Record<string, string>
  return [
    copy(copies.certificate, { 'tls.crt': certificate['tls.crt'], 'tls.key': certificate['tls.key'] }),
    copy(copies.authority, { 'ca.crt': authority['ca.crt'] }),
  ]
}
