import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import { asSegmentBytes, parseLsn, type SegmentBytes, segmentBytesNamed } from '../../systems/postgres/wal.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { isObject } from '../../values/json.ts'
import type { ClusterObject, InstanceStatus } from './objects.ts'

/**
 * How long the WAL segments of a database are. Its PostgreSQL's own word comes first, by the metrics of its instance or
 * by the name of the file that it writes to; then what its operator began it with. Null: nobody says, and nothing is
 * computed. Pure.
 */
export function segmentBytesOf(
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  measured: SegmentBytes | null,
): SegmentBytes | null {
  const position = parseLsn(instance?.currentLsn)
  const named = position === null ? null : segmentBytesNamed(instance?.currentWAL ?? '', position)
  return measured ?? named ?? segmentBytesBegunWith(cluster.spec.bootstrap)
}

/**
 * What the `initdb` of a Cluster or of a cluster file asks for; null where it says nothing of `initdb`: a copy has what
 * it was copied from.
 */
export function segmentBytesBegunWith(bootstrap: unknown): SegmentBytes | null {
  const initdb = isObject(bootstrap) ? bootstrap.initdb : undefined
  if (!isObject(initdb)) return null
  return initdb.walSegmentSize === undefined ? OF_INITDB : asSegmentBytes(Number(initdb.walSegmentSize) * 1024 * 1024)
}
/** Of initdb, where CloudNativePG gives it no `--wal-segsize` (jobs.go of 1.30). */
export const OF_INITDB = (16 * 1024 * 1024) as SegmentBytes

/** Whether PostgreSQL can have segments of so many MB. */
export const isSegmentSize = (megabytes: unknown): boolean =>
  typeof megabytes === 'number' && asSegmentBytes(megabytes * 1024 * 1024) !== null

/**
 * What the metrics of an instance say, through the API server's pod proxy: an observer needs no right to run anything
 * in a pod. Null where they do not answer in time, or PostgreSQL is down. `/pg/status` does not tell, and
 * `/pg/controldata` is the operator's alone since 1.30.
 */
export async function measureSegments(
  kubernetes: KubernetesClient,
  cluster: ClusterObject,
  pod: string,
  signal: AbortSignal,
  deadline: Milliseconds,
): Promise<SegmentBytes | null> {
  const system = cluster.status?.systemID ?? ''
  const known = measured.get(kubernetes)?.get(system)
  if (known !== undefined) return known
  const { monitoring } = cluster.spec as { readonly monitoring?: { readonly tls?: { readonly enabled?: boolean } } }
  const scheme = monitoring?.tls?.enabled === true ? 'https' : 'http'
  const namespace = cluster.metadata.namespace ?? ''
  const answer = await kubernetes
    .proxyGet({ namespace, pod, scheme, port: METRICS, path: '/metrics' }, { signal, deadline })
    .catch(() => null)
  const found = answer?.status === 200 ? segmentBytesIn(answer.body) : null
  if (found !== null && system !== '')
    measured.set(kubernetes, new Map([...(measured.get(kubernetes) ?? []), [system, found]]))
  return found
}
const METRICS = 9187

/**
 * By system id, as long as this process looks: a database keeps its segments for life, and a scrape asks PostgreSQL for
 * everything else as well.
 */
const measured = new WeakMap<KubernetesClient, ReadonlyMap<string, SegmentBytes>>()

/**
 * `cnpg_collector_pg_wal` counts the files of `pg_wal` and multiplies with `wal_segment_size` (metricserver/wal.go); no
 * setting of a user turns it off.
 */
export function segmentBytesIn(metrics: string): SegmentBytes | null {
  const numberOf = (what: string): number => {
    const line = new RegExp(`^cnpg_collector_pg_wal\\{value="${what}"\\} (\\S+)$`, 'm').exec(metrics)
    return Number(line?.[1] ?? Number.NaN)
  }
  return asSegmentBytes(numberOf('size') / numberOf('count'))
}
