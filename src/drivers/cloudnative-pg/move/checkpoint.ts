import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { formatLsn, parseLsn, segmentsBetween } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { CLUSTER, type InstanceStatus } from '../objects.ts'
import {
  clusterOfRun,
  type DatabaseRun,
  type Failed,
  instanceOf,
  namespaceOf,
  type OfCluster,
  peerOf,
  siteNamed,
  siteOf,
} from '../run.ts'
import { clusterShell, shipByHand } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { lackOfRoom, roomOf } from './room-for-wal.ts'
import { hasShipped, type Mark, type Marked, shippedMark, shipWal } from './ship-wal.ts'

/** Writes out and ships as much as possible before users notice anything, so that the shutdown has less to ship. */
export function checkpointStep(component: Database, intent: Intent): DriverStep<OfCheckpoint> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(checkpoint, intent.from, {
    phase: 'PREFLIGHT',
    title: `Writes out and ships what ${from} holds in memory, and waits until ${to} has replayed it and is close behind: its shutdown is short, and the way to ${to} is proven`,
    deadline: minutes(5),
    expected: seconds(3),
    parameters: { cluster: from, follower: to, followerSite: intent.to },
  })
}

type OfCheckpoint = OfCluster & {
  /** metadata.name of the Cluster that is to be promoted. */
  readonly follower: string
  readonly followerSite: string
}
interface ShippedAndClose extends Proof {
  readonly lastArchivedWal: string | null
  /** Position of the follower. */
  readonly replayed: string | null
  readonly segmentsBehind: number
}
interface Prepared extends ShippedAndClose {
  /** Bytes, by Cluster; without those of which it is unknown. */
  readonly freeForWal: Readonly<Record<string, number>>
}
type Run = DatabaseRun<OfCheckpoint, Marked>

export const checkpoint: Action<CloudNativePgSpec, OfCheckpoint, Prepared> = {
  name: 'checkpoint',
  parameters: parametersOf<OfCheckpoint>({ cluster: TEXT, follower: TEXT, followerSite: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run) {
      const mark = shippedMark(run)
      if (mark === null) return { is: 'pending', waitingFor: 'a checkpoint' }
      const { follower, followerSite } = run.step.parameters
      const [primary, replica] = await Promise.all([
        clusterOfRun(run).then((cluster) => instanceOf(run, cluster)),
        peerOf(run, followerSite, follower),
      ])
      const progress = shippedAndClose(mark, primary, replica, follower)
      if (progress.is !== 'done') return progress
      const [room] = await Promise.all([findRoom(run, mark, primary, replica), proveWrites(run)])
      return room.is === 'done' ? { is: 'done', proof: { ...progress.proof, ...room.proof } } : room
    },
    apply: (run: Run) => shipWal(run),
    back: { is: 'leaves-nothing', because: 'an additional checkpoint is harmless' },
  },
  byHand: {
    say: (component, step, around) =>
      shipByHand(clusterShell(component, { site: step.site, cluster: step.parameters.cluster }, around)),
  },
}

/**
 * Whether both volumes have room for what the move writes: a PostgreSQL that restarts on a full one would not start.
 */
async function findRoom(
  run: Run,
  mark: Mark,
  primary: InstanceStatus | null,
  replica: InstanceStatus | null,
): Promise<Failed | { readonly is: 'done'; readonly proof: Pick<Prepared, 'freeForWal'> }> {
  const rooms = await Promise.all(
    endsOf(run).map(({ site, cluster }) =>
      roomOf(run.context.platform(KUBERNETES, site), namespaceOf(run), cluster, run.signal),
    ),
  )
  const known = rooms.flatMap((room) => room ?? [])
  const [ahead, replayed] = [parseLsn(primary?.currentLsn) ?? 0n, parseLsn(replica?.replayLsn) ?? 0n]
  const behind = segmentsBetween(replayed, ahead, mark.segments)
  const [why] = known.flatMap((room) => lackOfRoom(room, behind, mark.segments) ?? [])
  if (why !== undefined)
    return {
      is: 'failed',
      code: codes.code['volume-too-full'],
      why,
      next: 'Enlarge the volume, or make room on it, and plan again.',
    }
  const freeForWal = Object.fromEntries(known.map(({ cluster, walBytes }) => [cluster, walBytes]))
  return { is: 'done', proof: { freeForWal } }
}

function endsOf(run: Run) {
  const { cluster, follower, followerSite } = run.step.parameters
  return [
    { site: siteOf(run), cluster },
    { site: siteNamed(run, followerSite), cluster: follower },
  ]
}

/**
 * Tries the writes of this move on both sites, as a dry run: a missing right, or a webhook of an operator that does not
 * answer, is found while users are still served. Throws the error of the server.
 */
async function proveWrites(run: Run): Promise<void> {
  await Promise.all(
    endsOf(run).map(async ({ site, cluster }) => {
      const { apiVersion, kind } = CLUSTER
      const object = { apiVersion, kind, metadata: { name: cluster, namespace: namespaceOf(run) }, spec: {} }
      await run.context
        .platform(KUBERNETES, site)
        .apply(object, { dryRun: true, fieldManager: 'standby-probe', signal: run.signal })
    }),
  )
}

/**
 * Whether everything up to a position is archived and replayed, and the follower is close behind what was written
 * since. Pure.
 */
export function shippedAndClose(
  mark: Mark,
  primary: InstanceStatus | null,
  replica: InstanceStatus | null,
  follower: string,
): Seen<ShippedAndClose, never> {
  if (primary === null || !hasShipped(primary.lastArchivedWAL, mark))
    return { is: 'pending', waitingFor: `the archive to take the WAL up to ${formatLsn(mark.at)}` }
  const replayed = parseLsn(replica?.replayLsn)
  if (replayed === null || replayed < mark.at)
    return { is: 'pending', waitingFor: `${follower} to replay up to ${formatLsn(mark.at)}` }
  const behind = segmentsBetween(replayed, parseLsn(primary.currentLsn) ?? replayed, mark.segments)
  return behind > CLOSE
    ? {
        is: 'pending',
        waitingFor: `${follower} to come closer: users would be shut out until it has replayed ${behind} segments of WAL`,
      }
    : {
        is: 'done',
        proof: {
          lastArchivedWal: primary.lastArchivedWAL ?? null,
          replayed: replica?.replayLsn ?? null,
          segmentsBehind: behind,
        },
      }
}

/**
 * Segments that the follower may be behind when traffic is closed: the one that is being filled, and one on its way
 * through the archive. Over a link that is slower than the writes it never comes so close, and the move ends here,
 * before users notice (otherwise measured: 3 min of closed traffic).
 */
const CLOSE = 2
