import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asSegmentBytes, parseLsn, type SegmentBytes, segmentBytesNamed } from '../../systems/postgres/wal.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { isObject } from '../../values/json.ts'
import type { ClusterObject, InstanceStatus } from './objects.ts'

/**
 * The length of a database's WAL segments. What PostgreSQL itself says counts first: the metrics of its instance, or
 * the name of the file that it writes to; then what its operator began it with. Null: unknown, and nothing is computed.
 * Pure.
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
 * What the metrics of an instance say, through the API server's pod proxy: an observer needs no right to run programs
 * in a pod. Null where they do not answer in time, or PostgreSQL is down. `/pg/status` does not have it, and
 * `/pg/controldata` is the operator's alone since 1.30. Asked once per system id in this process: a database keeps its
 * segments for life, and a scrape makes PostgreSQL compute all other metrics as well.
 */
export async function measureSegments(
  kubernetes: KubernetesClient,
  cluster: ClusterObject,
  pod: string,
  { once, signal }: Pick<DriverContext, 'once' | 'signal'>,
  deadline: Milliseconds,
): Promise<SegmentBytes | null> {
  const system = cluster.status?.systemID ?? ''
  const { monitoring } = cluster.spec as { readonly monitoring?: { readonly tls?: { readonly enabled?: boolean } } }
  const scheme = monitoring?.tls?.enabled === true ? 'https' : 'http'
  const namespace = cluster.metadata.namespace ?? ''
  const ask = async (): Promise<SegmentBytes> => {
    const target = { namespace, pod, scheme, port: METRICS, path: '/metrics' } as const
    const answer = await kubernetes.proxyGet(target, { signal, deadline })
    const found = answer.status === 200 ? segmentBytesIn(answer.body) : null
    if (found === null) throw new Error(`the metrics of ${pod} do not say how long its segments are`)
    return found
  }
  const asked = system === '' ? ask() : once(`segments at ${kubernetes.site} of ${system}`, ask)
  return asked.catch(() => null)
}
const METRICS = 9187

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
