import type { SiteName } from '../../domain/stack.ts'
import { type Manual, type ManualSurroundings, quoted } from '../../driver/manual.ts'
import { kubectl } from '../../platform/kubernetes/by-hand.ts'
import { type Database, incarnationFolder } from './spec.ts'

/** Lines of a runbook about one Cluster: kubectl, and psql inside its primary pod. */
export interface ClusterShell {
  /** `kubectl --context … -n …` */
  readonly kubectl: string
  /** The primary pod, as a command substitution. */
  readonly primaryPod: string
  /** Prints fields of the Cluster by their JSONPath. */
  get(path: string): string
  /** Merges into the spec of the Cluster. */
  patch(spec: object): string
  /** The same, with a patch that the shell itself expands. */
  patchWith(patch: string): string
  /** Each query in a transaction of its own: a CHECKPOINT must not share one. */
  psql(...queries: string[]): string
}

/** `site` null: the step acts on no site, and has no such lines. */
export function clusterShell(
  component: Database,
  { site, cluster }: { readonly site: string | null; readonly cluster: string },
  { stack }: ManualSurroundings,
): ClusterShell {
  const at = kubectl(stack, site ?? '', component.spec.namespace)
  const get = (path: string): string => `${at} get cluster ${cluster} -o jsonpath='${path}'`
  const primaryPod = `"$(${get('{.status.currentPrimary}')})"`
  const patchWith = (patch: string): string => `${at} patch cluster ${cluster} --type merge -p ${patch}`
  return {
    kubectl: at,
    primaryPod,
    get,
    patchWith,
    patch: (spec) => patchWith(asArgument({ spec })),
    psql: (...queries) =>
      `${at} exec ${primaryPod} -c postgres -- psql -XAt -d ${component.spec.database} ${queries.map((query) => `-c ${quoted(query)}`).join(' ')}`,
  }
}

/** JSON as one word of a shell. */
export const asArgument = (value: object): string => quoted(JSON.stringify(value))

/** Closes the current WAL segment, and shows that the archive has it. */
export const shipByHand = ({ psql }: ClusterShell): Manual => ({
  commands: [
    psql('CHECKPOINT', 'SELECT pg_walfile_name(pg_switch_wal())'),
    psql('SELECT last_archived_wal, last_failed_wal FROM pg_stat_archiver'),
  ],
  expect: 'The last archived segment is the printed one, or a later one, and none failed after it.',
})

/** Where one incarnation archives: the bucket, and the folder in it. */
export function archiveByHand(
  component: Database,
  { archiveOf, serverName }: { readonly archiveOf: string; readonly serverName: string },
  around: ManualSurroundings,
) {
  const location = around.objectStore(component.spec.archive.store, archiveOf as SiteName)
  return { location, folder: `${location.prefix}${incarnationFolder(component, serverName)}` }
}
