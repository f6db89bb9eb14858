import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { siteOf } from '../../../driver/site-of-step.ts'
import { formatLsn, parseLsn, segmentsBetween } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { CLUSTER, type InstanceStatus } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { clusterOfRun, instanceOf, namespaceOf, peerOf, type Run } from '../where.ts'
import { lackOfRoom, roomOf } from './room-for-wal.ts'
import { hasShipped, type Mark, shippedMark, shipWal } from './ship-wal.ts'

/** What can be written out before users notice anything is written out now: the shutdown has less to ship. */
export function checkpointStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'checkpoint', intent.from, {
    phase: 'PREFLIGHT',
    title: `Writes out and ships what ${from} holds in memory, and waits until ${to} has replayed it and is close behind: its shutdown is short, and the way to ${to} is proven`,
    deadline: minutes(5),
    expected: seconds(3),
    parameters: { cluster: from, follower: to, followerSite: intent.to },
  })
}

export const checkpoint: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const mark = shippedMark(run)
    if (mark === null) return { is: 'pending', waitingFor: 'a checkpoint' }
    const follower = parameter(run.step, 'follower')
    const [primary, replica] = await Promise.all([
      clusterOfRun(run).then((cluster) => instanceOf(run, cluster)),
      peerOf(run, parameter(run.step, 'followerSite'), follower),
    ])
    const progress = shippedAndClose(mark, primary, replica, follower)
    if (progress.is !== 'done') return progress
    const [room] = await Promise.all([findRoom(run, mark, primary, replica), proveWrites(run)])
    return room.is === 'done' ? { is: 'done', proof: { ...progress.proof, ...room.proof } } : room
  },
  apply: shipWal,
}

/**
 * Whether both volumes have room for what the move writes: a PostgreSQL that restarts on a full one would not come up.
 */
async function findRoom(
  run: Run,
  mark: Mark,
  primary: InstanceStatus | null,
  replica: InstanceStatus | null,
): Promise<Progress> {
  const rooms = await Promise.all(
    endsOf(run).map(({ site, cluster }) => roomOf(run.context.kubernetes(site), namespaceOf(run), cluster, run.signal)),
  )
  const [ahead, replayed] = [parseLsn(primary?.currentLsn) ?? 0n, parseLsn(replica?.replayLsn) ?? 0n]
  const behind = segmentsBetween(replayed, ahead, mark.segments)
  for (const room of rooms) {
    const why = room === null ? null : lackOfRoom(room, behind, mark.segments)
    if (why !== null)
      return {
        is: 'failed',
        code: 'volume-too-full',
        why,
        next: 'Enlarge the volume, or make room on it, and plan again.',
      }
  }
  return {
    is: 'done',
    proof: {
      freeForWal: Object.fromEntries(rooms.flatMap((room) => (room === null ? [] : [[room.cluster, room.walBytes]]))),
    },
  }
}

const endsOf = (run: Run) => [
  { site: siteOf(run), cluster: parameter(run.step, 'cluster') },
  { site: siteNamed(run, parameter(run.step, 'followerSite')), cluster: parameter(run.step, 'follower') },
]

/**
 * Asks both sites to try the writes of this move, as a dry run: a right that is lacking, or a webhook of an operator
 * that does not answer, is known while users are still served. Throws what stands against them.
 */
async function proveWrites(run: Run): Promise<void> {
  await Promise.all(
    endsOf(run).map(async ({ site, cluster }) => {
      const object = {
        apiVersion: CLUSTER.apiVersion,
        kind: CLUSTER.kind,
        metadata: { name: cluster, namespace: namespaceOf(run) },
        spec: {},
      }
      await run.context
        .kubernetes(site)
        .apply(object, { dryRun: true, fieldManager: 'standby-probe', signal: run.signal })
    }),
  )
}

function siteNamed(run: Run, name: string): SiteName {
  const site = run.context.stack.sites.find((one) => one.name === name)?.name
  if (site === undefined) throw new Error(`${run.step.id} names no site of the stack: ${name}`)
  return site
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
): Progress {
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
 * How far behind the follower may be when users are shut out: the segment that is being filled, and one on its way
 * through the archive. A link that is slower than the writes never lets it come so close, and the move ends here,
 * before anybody noticed (measured: 3 min of closed doors).
 */
const CLOSE = 2
