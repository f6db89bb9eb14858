import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { asksArchiveOf, type ClusterObject, HEALTHY, RESTARTING_IN_PLACE } from '../objects.ts'
import {
  askSql,
  type ClusterRun,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  type OfPair,
  podIsReady,
  remember,
  sqlOf,
} from '../run.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { FORGET, type Shipped, settingOf, shipBeforeRestart, shipReceived } from './fill-archive.ts'
import { leaveArchive, leavesArchive } from './leave-archive.ts'
import { requestRestart } from './restart.ts'

/**
 * The restart that a promotion requires (`restart.ts`) happens before traffic is closed: the replica takes the
 * archive_mode of a primary now. Until its promotion it archives nothing; `fill-archive.ts` makes up for that. Where
 * the restart ahead is hindered, it comes after the promotion, as its operator does it.
 */
export function restartAheadStep(component: Database, intent: Intent): DriverStep<OfPair> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(restartAhead, intent.to, {
    phase: 'PREPARE',
    needs: leavesArchive(component) ? [stepOf(component, leaveArchive, intent.to)] : [],
    title: `Restarts ${to} with the archive_mode of a primary while ${from} serves: promoted, it need not restart`,
    deadline: minutes(2),
    expected: seconds(3),
    parameters: { cluster: to, peer: from },
  })
}

/** `ahead`: whether it has restarted now; false: it restarts after its promotion. */
interface RestartedAhead extends Proof {
  readonly ahead: boolean
}
interface TakenBack extends Proof {
  readonly archiveMode: string
}
/** `due`: what it received is shipped before the setting is removed. */
type Due = AsSeen & { readonly due?: 'ship' }
interface Remembered extends Shipped {
  /** The restart ahead is not possible: this process does not try it again. */
  readonly hindered?: true
}
type Run = DatabaseRun<OfPair, Remembered>

export const restartAhead: Action<CloudNativePgSpec, OfPair, RestartedAhead> = {
  name: 'restart-ahead',
  parameters: parametersOf<OfPair>({ cluster: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      if (run.memory.value?.hindered === true) return AFTERWARDS
      if (cluster.spec.postgresql?.enableAlterSystem !== true)
        return goWithout(run, `${cluster.metadata.name} has no postgresql.enableAlterSystem, which a deploy gives it`)
      const setting = await settingOf(run)
      if (setting === null) return toBeHealthy(cluster)
      return setting.archiveMode === 'on' && setting.ahead ? followsAgain(run, cluster) : toRestart(cluster)
    },
    async apply(run: Run, seen: Due) {
      try {
        await sqlOf(run, "ALTER SYSTEM SET archive_mode = 'on';")
        await requestRestart(run, seen, 'ahead of a promotion')
      } catch (error) {
        run.signal.throwIfAborted()
        // A missing right, or a PostgreSQL that does not take the setting (yet: before version 17 its operator
        // has to make a file writable): what no other try changes is no reason against the move.
        const reason = asStandbyError(error)
        if (reason.retry !== 'never' || reason.mustAct === 'defect') throw reason
        await askSql(run, FORGET).catch(() => null)
        goWithout(run, `${reason.message}. ${reason.next ?? ''}`)
      }
    },
    invalidate: invalidateCluster,
    back: {
      /**
       * Files that arrived while it did not archive are shipped twice: those until now before the restart, those until
       * the restart after it. Then the setting is removed, and the cluster is the replica that it was.
       */
      async undone(run: Run): Promise<Seen<TakenBack, Due>> {
        const cluster = await clusterOfRun(run)
        const setting = await settingOf(run)
        if (setting === null) return toBeHealthy(cluster)
        if (setting.archiveMode === 'on') return toRestart(cluster)
        if (setting.ahead)
          return {
            is: 'pending',
            waitingFor: `${cluster.metadata.name} to ship what it received`,
            due: { ...asSeen(cluster), due: 'ship' },
          }
        if (!(await isBack(run, cluster))) return toBeHealthy(cluster)
        return { is: 'done', proof: { archiveMode: setting.archiveMode } }
      },
      async undo(run: Run, seen: Due) {
        if (seen.due === 'ship') return shipReceived(run)
        await shipBeforeRestart(run)
        await requestRestart(run, seen, 'as a move is undone')
      },
    },
  },
  byHand: {
    say: () => ({
      commands: ['true   # nothing to do by hand: it restarts after the promotion, and users wait some seconds more'],
      expect: 'Nothing. What Standby has done of it is no obstacle.',
    }),
  },
}

/** Whether it is back after its restart and follows again: without its archive, by its stream. */
async function followsAgain(run: Run, cluster: ClusterObject): Promise<Seen<RestartedAhead, never>> {
  if (!(await isBack(run, cluster))) return toBeHealthy(cluster)
  const streams = (await instanceOf(run, cluster))?.isWalReceiverActive === true
  return streams || asksArchiveOf(cluster, run.step.parameters.peer)
    ? { is: 'done', proof: { ahead: true } }
    : { is: 'pending', waitingFor: `${cluster.metadata.name} to stream again` }
}

/** The phase counts too: a plan that is made after this would be refused for it. */
const isBack = async (run: ClusterRun, cluster: ClusterObject): Promise<boolean> =>
  cluster.status?.phase === HEALTHY && (await podIsReady(run, cluster))

const toBeHealthy = (cluster: ClusterObject) =>
  ({ is: 'pending', waitingFor: `${cluster.metadata.name} to be healthy (${cluster.status?.phase})` }) as const

/** Not due a second time while the restart is under way. */
const toRestart = (cluster: ClusterObject): Extract<Seen<RestartedAhead, Due>, { readonly is: 'pending' }> => ({
  is: 'pending',
  waitingFor: `${cluster.metadata.name} to restart`,
  ...(cluster.status?.phase === RESTARTING_IN_PLACE ? {} : { due: asSeen(cluster) }),
})

const AFTERWARDS = { is: 'done', proof: { ahead: false } } as const

function goWithout(run: Run, why: string): typeof AFTERWARDS {
  remember<Remembered>(run, { hindered: true })
  run.context.log.warning(`${run.step.id}: users wait for a restart after the promotion: ${why}`)
  return AFTERWARDS
}
