import { isObject, type JsonObject } from '../../values/json.ts'
import type { ClusterObject } from './objects.ts'

/** Settings of a Cluster that decide whether another one can follow it, or serve in its place. */
export interface ClusterSettings {
  /** The version that its image claims; null where its name says none. */
  readonly version: { readonly major: number; readonly minor: number | null } | null
  /** Standbys without which no commit returns. */
  readonly synchronous: number
  /** Declared settings that a replica must have at least as high as its primary. */
  readonly atLeast: Readonly<Record<string, number>>
}

/** https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN */
const AT_LEAST = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
]

export function settingsOf(cluster: ClusterObject): ClusterSettings {
  const parameters = cluster.spec.postgresql?.parameters ?? {}
  const declared = AT_LEAST.flatMap((name) =>
    /^\d+$/.test(String(parameters[name] ?? '')) ? [[name, Number(parameters[name])] as const] : [],
  )
  return {
    version: versionOf(cluster),
    synchronous: synchronousOf(cluster.spec as unknown as JsonObject),
    atLeast: Object.fromEntries(declared),
  }
}

function versionOf({ spec }: ClusterObject): ClusterSettings['version'] {
  const catalog = (spec as { readonly imageCatalogRef?: { readonly major?: number } }).imageCatalogRef
  if (catalog?.major !== undefined) return { major: catalog.major, minor: null }
  const [, major, minor] = /:(\d+)(?:\.(\d+))?[^/]*$/.exec(spec.imageName ?? '') ?? []
  if (major === undefined) return null
  return { major: Number(major), minor: minor === undefined ? null : Number(minor) }
}

/**
 * With `dataDurability: preferred` a commit waits only for standbys that answer. `minSyncReplicas` is the older field.
 */
function synchronousOf(spec: JsonObject): number {
  const declared = isObject(spec.postgresql) ? spec.postgresql.synchronous : undefined
  if (isObject(declared)) return declared.dataDurability === 'preferred' ? 0 : Number(declared.number ?? 0)
  return Number(spec.minSyncReplicas ?? 0)
}
