import type { KubernetesClient, PodReference } from '../../../clients/kubernetes-client.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import type { SegmentBytes } from '../../../systems/postgres/wal.ts'
import { seconds } from '../../../values/duration.ts'
import { primaryPod } from '../objects.ts'

/** What is free on the volumes of a PostgreSQL; the two are one where its WAL has none of its own. */
export interface Room {
  readonly cluster: string
  readonly dataBytes: number
  readonly walBytes: number
}

/** Prints device, size, used and available, in KB, as POSIX has them: of the data, then of the WAL. */
const DISKS = ['sh', '-c', 'df -Pk "$PGDATA" "$PGDATA/pg_wal"']

/** Null where it is unknown: an image without `df`, or an identity that may not run programs in a pod. */
export async function roomOf(
  kubernetes: KubernetesClient,
  namespace: string,
  cluster: string,
  signal: AbortSignal,
): Promise<Room | null> {
  try {
    const pod: PodReference = await primaryPod(kubernetes, namespace, cluster, signal)
    const { code, stdout } = await kubernetes.exec(pod, DISKS, { signal, deadline: seconds(20) })
    return code === 0 ? roomIn(cluster, stdout) : null
  } catch (error) {
    signal.throwIfAborted()
    if (asStandbyError(error).retry !== 'never') throw error
    return null
  }
}

export function roomIn(cluster: string, printed: string): Room | null {
  const [data, wal] = printed
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const kilobytes = Number(line.trim().split(/\s+/)[3])
      return Number.isFinite(kilobytes) ? [kilobytes * 1024] : []
    })
  return data === undefined || wal === undefined ? null : { cluster, dataBytes: data, walBytes: wal }
}

/**
 * The operator starts no PostgreSQL without room for two segments (CheckHasDiskSpaceForWAL in instance.go of 1.30), and
 * a move restarts both sides; one more is the copy with which a timeline begins, and one is being written meanwhile.
 */
const SEGMENTS_OF_A_MOVE = 4

/** Why a cluster has no room for a move whose follower is so many segments behind; null where it has. Pure. */
export function lackOfRoom(
  { cluster, dataBytes, walBytes }: Room,
  behind: number,
  segments: SegmentBytes,
): string | null {
  const needed = (SEGMENTS_OF_A_MOVE + behind) * segments
  const [what, free] = walBytes < needed ? ['pg_wal', walBytes] : ['its data', dataBytes]
  return free < needed
    ? `the volume of ${what} of ${cluster} has ${inMegabytes(free)} MB left, and a move needs ${inMegabytes(needed)} MB`
    : null
}
const inMegabytes = (bytes: number): number => Math.floor(bytes / 1024 / 1024)
