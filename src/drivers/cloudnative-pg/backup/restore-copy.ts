import { accessKeys } from '../../../clients/access-keys.ts'
import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import { isLogin } from '../../../clients/object-store-client.ts'
import type { Sandbox } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../../platform/kubernetes/unless-forbidden.ts'
import type { JsonObject } from '../../../values/json.ts'
import {
  type Archive,
  archiveConfiguration,
  archiveName,
  archiveSecret,
  objectStoreManifest,
} from '../deploy/manifests.ts'
import { CLUSTER, type ClusterObject, PLUGIN, SECRET } from '../objects.ts'
import { archiveMethod, type Database } from '../spec.ts'
import { copiedSpec, neededBy } from './copy-spec.ts'

/** Name of the restored copy: it lives alone in the sandbox. */
export const restoredCluster = (component: Database): string => `${component.name}-restored`

/**
 * A scratch cluster of one instance, from an archive that it can only read. It has no archive and no primary:
 * nothing of it can reach the archive that it came from. Its owner has the passive site's own password, as after a
 * failover.
 */
export async function createCopy(
  component: Database,
  archive: Archive,
  like: ClusterObject,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<void> {
  const kubernetes = context.platform(KUBERNETES, sandbox.site)
  const { readCredentials } = archive.location
  const keys = isLogin(readCredentials)
    ? null
    : await accessKeys(readCredentials, (reference) => context.credential(reference, archive.site))
  const objects = [
    archiveSecret(component, context.stack, archive, keys).object,
    ...(archiveMethod(component) === 'plugin' ? [objectStoreManifest(component, context.stack, archive).object] : []),
    await ownerSecret(component, sandbox, context),
    ...(await neededObjects(component, like, sandbox, context)),
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

const IMAGE_CATALOG = { apiVersion: CLUSTER.apiVersion, kind: 'ImageCatalog', plural: 'imagecatalogs' } as const
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' } as const
const KINDS = { Secret: SECRET, ConfigMap: CONFIG_MAP, ImageCatalog: IMAGE_CATALOG } as const

/**
 * Copies of what a pod of the copy needs from the namespace of the original. What may not be read, or is not there, is
 * reported: the pod may do without.
 */
async function neededObjects(
  component: Database,
  like: ClusterObject,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<KubernetesObject[]> {
  const { namespace, secrets } = component.spec
  const needed = neededBy(copiedSpec(like.spec as unknown as JsonObject)).filter(
    ({ kind, name }) => kind !== 'Secret' || name !== secrets.owner,
  )
  const found = await Promise.all(
    needed.map(async ({ kind, name }) => {
      const kubernetes = context.platform(KUBERNETES, sandbox.site)
      const without = (why: string): null => {
        context.log.warning(`${component.name}: the restored copy goes without ${kind} ${namespace}/${name}: ${why}`)
        return null
      }
      const live = await unlessForbidden(
        async () =>
          (await kubernetes.get({ ...KINDS[kind], namespace, name }, { signal: context.signal })) ??
          without(`there is none on ${sandbox.site}`),
        ({ message }) => without(message),
      )
      return live === null ? [] : [withoutMarks(live)]
    }),
  )
  return found.flat()
}

/** Content and name, without what ties the object to its namespace, its owner and its maker. */
function withoutMarks({ metadata, status: _status, ...content }: KubernetesObject): KubernetesObject {
  return { ...content, metadata: { name: metadata.name } } as KubernetesObject
}

async function ownerSecret(component: Database, sandbox: Sandbox, context: DriverContext): Promise<KubernetesObject> {
  const { namespace, secrets } = component.spec
  const found = await context
    .platform(KUBERNETES, sandbox.site)
    .get({ ...SECRET, namespace, name: secrets.owner }, { signal: context.signal })
  if (found === null)
    throw siteError('secret-missing', `there is no Secret ${namespace}/${secrets.owner}`, {
      where: `${sandbox.site} ${namespace}/Secret/${secrets.owner}`,
      next: 'Create it with the same content as on the active site.',
    })
  return {
    apiVersion: SECRET.apiVersion,
    kind: SECRET.kind,
    metadata: { name: secrets.owner },
    type: found.type,
    data: found.data,
  }
}

/** Pure. */
export function scratchCluster(component: Database, archive: Archive, like: ClusterObject): KubernetesObject {
  const { database, owner, secrets } = component.spec
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
      ...copiedSpec(like.spec as unknown as JsonObject),
      instances: 1,
      enablePDB: false,
      bootstrap: { recovery: { source: 'origin', database, owner, secret: { name: secrets.owner } } },
      externalClusters: [{ name: 'origin', ...origin }],
    },
  }
}
