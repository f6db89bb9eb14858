import { minutes, seconds } from '../../duration.ts'
import type { Behaviour } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { InstanceStatus } from './objects.ts'
import { shippedMark, shipWal } from './ship-wal.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { parameter, plannedStep } from './steps.ts'
import { formatLsn, parseLsn, parseSegment } from './wal.ts'
import { clusterOfRun, instanceOf, peerOf, type Run } from './where.ts'

/** What can be written out before users notice anything is written out now: the shutdown has less to ship. */
export function checkpointStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'checkpoint', intent.from, {
    phase: 'PREFLIGHT',
    title: `Writes out and ships what ${from} holds in memory, and waits until ${to} has replayed it: its shutdown is short, and the way to ${to} is proven`,
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
    const [instance, other] = await Promise.all([instanceOf(run, await clusterOfRun(run)), followerOf(run)])
    const shipped = parseSegment(instance?.lastArchivedWAL ?? '')
    if (instance === null || shipped === null || shipped.end < mark)
      return { is: 'pending', waitingFor: `the archive to take the WAL up to ${formatLsn(mark)}` }
    const replayed = parseLsn(other?.replayLsn)
    return replayed === null || replayed < mark
      ? { is: 'pending', waitingFor: `${follower} to replay up to ${formatLsn(mark)}` }
      : { is: 'done', proof: { lastArchivedWal: instance.lastArchivedWAL ?? null, replayed: other?.replayLsn ?? null } }
  },
  apply: shipWal,
}

async function followerOf(run: Run): Promise<InstanceStatus | null> {
  return peerOf(run, parameter(run.step, 'followerSite'), parameter(run.step, 'follower'))
}
