import { isObject, type Json, type JsonObject } from '../../../values/json.ts'

/**
 * What of a live Cluster must not come along into a restored copy: its history and its peers, its archive, its doors,
 * its users, and what only several instances have. Everything else does, known or not: image, room, tolerations,
 * environment, extensions, service account, topology.
 */
export const LEFT_OUT: readonly string[] = [
  // Who it is and follows: the copy comes from the archive, and from nothing else.
  'bootstrap',
  'replica',
  'externalClusters',
  // Nothing of the copy may reach the archive that it came from.
  'backup',
  'plugins',
  // Secrets, services and roles of the original; its certificates carry the original's names.
  'superuserSecret',
  'enableSuperuserAccess',
  'certificates',
  'managed',
  'monitoring',
  // Of several instances; the copy has one.
  'instances',
  'minSyncReplicas',
  'maxSyncReplicas',
  'enablePDB',
  'replicationSlots',
  'primaryUpdateStrategy',
  'primaryUpdateMethod',
  'nodeMaintenanceWindow',
  'failoverDelay',
  'switchoverDelay',
  'description',
]
/** Of `postgresql`: what waits for other instances, or admits only the users of the original. */
export const LEFT_OUT_OF_POSTGRESQL: readonly string[] = [
  'synchronous',
  'syncReplicaElectionConstraint',
  'promotionTimeout',
  'pg_hba',
  'pg_ident',
  'ldap',
]

/** The part of a live Cluster's spec that a restored copy has too. Pure. */
export function copiedSpec(live: JsonObject): JsonObject {
  const kept = without(live, LEFT_OUT)
  return isObject(kept.postgresql)
    ? { ...kept, postgresql: without(kept.postgresql as JsonObject, LEFT_OUT_OF_POSTGRESQL) }
    : kept
}

const without = (mapping: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(mapping).filter(([key]) => !keys.includes(key)))

export interface Needed {
  readonly kind: 'Secret' | 'ConfigMap' | 'ImageCatalog'
  readonly name: string
}

/**
 * The objects of its namespace without which a pod of this spec does not start: pull secrets, an image catalog,
 * environment, projected volumes. Pure.
 */
export function neededBy(spec: JsonObject): Needed[] {
  const found: Needed[] = []
  const add = (kind: Needed['kind'], name: unknown, optional: unknown = false): void => {
    if (
      typeof name === 'string' &&
      name !== '' &&
      optional !== true &&
      !found.some((one) => one.kind === kind && one.name === name)
    )
      found.push({ kind, name })
  }
  const each = (value: Json | undefined, visit: (item: Readonly<Record<string, unknown>>) => void): void => {
    for (const item of Array.isArray(value) ? value : []) if (isObject(item)) visit(item)
  }
  const refer = (kind: Needed['kind'], reference: unknown): void => {
    if (isObject(reference)) add(kind, reference.name, reference.optional)
  }
  each(spec.imagePullSecrets, ({ name }) => add('Secret', name))
  const catalog = spec.imageCatalogRef
  if (isObject(catalog) && catalog.kind === 'ImageCatalog') add('ImageCatalog', catalog.name)
  each(spec.env, ({ valueFrom }) => {
    if (!isObject(valueFrom)) return
    refer('Secret', valueFrom.secretKeyRef)
    refer('ConfigMap', valueFrom.configMapKeyRef)
  })
  each(spec.envFrom, ({ secretRef, configMapRef }) => {
    refer('Secret', secretRef)
    refer('ConfigMap', configMapRef)
  })
  const volume = spec.projectedVolumeTemplate
  each(isObject(volume) ? (volume.sources as Json) : undefined, ({ secret, configMap }) => {
    refer('Secret', secret)
    refer('ConfigMap', configMap)
  })
  return found
}
