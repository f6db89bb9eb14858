import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, type ClusterObject, HEALTHY, RESTARTING_IN_PLACE } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, podIsReady, type Run, sqlOf, touchCluster } from '../where.ts'
import { FORGET, settingOf, shipBeforeRestart, shipReceived } from './fill-archive.ts'
import { leaveArchiveSteps } from './leave-archive.ts'
import { requestRestart } from './restart.ts'

/**
 * The restart that a promotion asks for (`restart.ts`) is done before users are shut out: the replica takes the
 * archive_mode of a primary now. Until its promotion it archives nothing; `fill-archive.ts` makes up for that. Whatever
 * keeps it from it, it restarts behind the promotion, as its operator does.
 */
export function restartAheadStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'restart-ahead', intent.to, {
    phase: 'PREPARE',
    needs: leaveArchiveSteps(component, intent).map(({ id }) => id),
    title: `Restarts ${to} with the archive_mode of a primary while ${from} serves: promoted, it need not restart`,
    deadline: minutes(2),
    expected: seconds(3),
    parameters: { cluster: to, peer: from },
  })
}

export const restartAhead: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    if (hindered.has(run.signal)) return BEHIND
    if (cluster.spec.postgresql?.enableAlterSystem !== true)
      return goWithout(run, `${cluster.metadata.name} has no postgresql.enableAlterSystem, which a deploy gives it`)
    const setting = await settingOf(run)
    if (setting === null) return answering(cluster)
    if (setting.archiveMode === 'on' && setting.ahead) return followed(run, cluster)
    return toRestart(cluster)
  },
  async apply(run) {
    try {
      await sqlOf(run, "ALTER SYSTEM SET archive_mode = 'on';")
      await requestRestart(run, 'ahead of a promotion')
    } catch (error) {
      const reason = asStandbyError(error)
      if (!HINDRANCES.has(reason.code)) throw reason
      await askSql(run, FORGET).catch(() => null)
      goWithout(run, `${reason.message}. ${reason.next ?? ''}`)
    }
  },
  /**
   * What came while it did not archive is shipped, twice: what came until now, and behind the restart what came until
   * then. Only then the setting is forgotten, and it is the replica that it was.
   */
  async undone(run) {
    const cluster = await clusterOfRun(run)
    const setting = await settingOf(run)
    if (setting === null) return answering(cluster)
    if (setting.archiveMode === 'on') return toRestart(cluster)
    if (setting.ahead)
      return {
        is: 'pending',
        waitingFor: `${cluster.metadata.name} to ship what it received`,
        restsOn: { ...asSeen(cluster), due: 'ship' },
      }
    return (await isBack(run, cluster))
      ? { is: 'done', proof: { archiveMode: setting.archiveMode } }
      : answering(cluster)
  },
  async undo(run) {
    if (run.restsOn?.due === 'ship') return shipReceived(run)
    await shipBeforeRestart(run)
    await requestRestart(run, 'as a move is taken back')
  },
  touch: touchCluster,
}

/** It is back behind its restart, and goes on following: without its archive, by its stream. */
async function followed(run: Run, cluster: ClusterObject): Promise<Progress> {
  const name = cluster.metadata.name
  if (!(await isBack(run, cluster))) return answering(cluster)
  const streams = (await instanceOf(run, cluster))?.isWalReceiverActive === true
  if (!streams && !asksArchiveOf(cluster, parameter(run.step, 'peer')))
    return { is: 'pending', waitingFor: `${name} to stream again` }
  return { is: 'done', proof: { ahead: true } }
}

/** The phase too: a plan that is made behind this would be refused for it. */
const isBack = async (run: Run, cluster: ClusterObject): Promise<boolean> =>
  cluster.status?.phase === HEALTHY && (await podIsReady(run, cluster))

const answering = (cluster: ClusterObject): Progress => ({
  is: 'pending',
  waitingFor: `${cluster.metadata.name} to be healthy (${cluster.status?.phase})`,
})

/** Not a second time while it is at it. */
const toRestart = (cluster: ClusterObject): Progress => ({
  is: 'pending',
  waitingFor: `${cluster.metadata.name} to restart`,
  ...(cluster.status?.phase === RESTARTING_IN_PLACE ? {} : { restsOn: asSeen(cluster) }),
})

const BEHIND: Progress = { is: 'done', proof: { ahead: false } }
/**
 * A right that is lacking, and a PostgreSQL that does not take the setting (yet: before 17 it is a file that the
 * operator makes writable).
 */
const HINDRANCES: ReadonlySet<string> = new Set(['kubernetes-forbidden', 'sql-failed'])
const hindered = new WeakSet<AbortSignal>()

function goWithout(run: Run, why: string): Progress {
  hindered.add(run.signal)
  run.context.log.warning(`${run.step.id}: users wait for a restart behind the promotion: ${why}`)
  return BEHIND
}
