import { accessKeys } from '../../../clients/access-keys.ts'
import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import { siteError } from '../../../errors.ts'
import type { DriverContext } from '../../../planning/driver.ts'
import type { Sandbox } from '../../../verification/restore-test.ts'
import { type Archive, archiveConfiguration, archiveName, archiveSecret, objectStoreManifest } from '../deploy/manifests.ts'
import { CLUSTER, type ClusterObject, PLUGIN, SECRET } from '../objects.ts'
import { archiveMethod, type Database } from '../spec.ts'

/** Name of the restored copy: it lives alone in the sandbox. */
export const restoredCluster = (component: Database): string => `${component.name}-restored`

/**
 * A scratch cluster of one instance, from an archive that it can only read. It archives nowhere and follows nobody: nothing of it can reach
 * the archive that it came from. Its owner has the passive site's own password, as after a failover.
 */
export async function createCopy(
  component: Database,
  archive: Archive,
  like: ClusterObject,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<void> {
  const kubernetes = context.kubernetes(sandbox.site)
  const { readCredentials } = archive.location
  const keys = await accessKeys(readCredentials, (reference) => context.credential(reference, archive.site))
  const objects = [
    archiveSecret(component, context.stack, archive, keys).object,
    ...(archiveMethod(component) === 'plugin' ? [objectStoreManifest(component, context.stack, archive).object] : []),
    await ownerSecret(component, sandbox, context),
    scratchCluster(component, archive, like),
  ]
  for (const object of objects) {
    const labels = { ...object.metadata.labels, ...sandbox.labels }
    await kubernetes.apply(
      { ...object, metadata: { ...object.metadata, namespace: sandbox.namespace, labels } },
      { force: true, signal: context.signal },
    )
  }
}

async function ownerSecret(component: Database, sandbox: Sandbox, context: DriverContext): Promise<KubernetesObject> {
  const { namespace, secrets } = component.spec
  const found = await context.kubernetes(sandbox.site).get({ ...SECRET, namespace, name: secrets.owner }, { signal: context.signal })
  if (found === null)
    throw siteError('secret-missing', `there is no Secret ${namespace}/${secrets.owner}`, {
      where: `${sandbox.site} ${namespace}/Secret/${secrets.owner}`,
      next: 'Create it with the same content as on the active site.',
    })
  return { apiVersion: SECRET.apiVersion, kind: SECRET.kind, metadata: { name: secrets.owner }, type: found.type, data: found.data }
}

/** What a restored copy takes over from the cluster that it stands for: image, room, and what its extensions need. */
const TAKEN_OVER = [
  'imageName',
  'imageCatalogRef',
  'imagePullPolicy',
  'imagePullSecrets',
  'postgresUID',
  'postgresGID',
  'storage',
  'walStorage',
  'tablespaces',
  'resources',
] as const

/** Pure. */
export function scratchCluster(component: Database, archive: Archive, like: ClusterObject): KubernetesObject {
  const { database, owner, secrets } = component.spec
  const spec = like.spec as Readonly<Record<string, unknown>>
  const postgresql = (spec.postgresql ?? {}) as { readonly parameters?: object; readonly shared_preload_libraries?: readonly string[] }
  const secret = archiveName(component, archive.site)
  const { serverName } = archive
  const origin =
    archiveMethod(component) === 'plugin'
      ? { plugin: { name: PLUGIN, parameters: { barmanObjectName: secret, serverName } } }
      : { barmanObjectStore: { serverName, ...archiveConfiguration(component, archive, secret) } }
  return {
    apiVersion: CLUSTER.apiVersion,
    kind: CLUSTER.kind,
    metadata: { name: restoredCluster(component) },
    spec: {
      ...Object.fromEntries(TAKEN_OVER.flatMap((field) => (spec[field] === undefined ? [] : [[field, spec[field]]]))),
      instances: 1,
      enablePDB: false,
      postgresql: {
        ...(postgresql.parameters === undefined ? {} : { parameters: postgresql.parameters }),
        ...(postgresql.shared_preload_libraries === undefined ? {} : { shared_preload_libraries: postgresql.shared_preload_libraries }),
      },
      bootstrap: { recovery: { source: 'origin', database, owner, secret: { name: secrets.owner } } },
      externalClusters: [{ name: 'origin', ...origin }],
    },
  }
}
