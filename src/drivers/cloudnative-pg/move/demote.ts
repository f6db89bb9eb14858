import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriteOf, lastWriterOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { DIRECTION, leftOfSwitch, remembersSwitch } from '../left-of-switch.ts'
import { asksArchiveOf, type ClusterObject, clusterRef } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database, follows } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'
import { leftoverLink, neverEnds, removeLeftoverLink } from './amid-demotion.ts'
import { clearSwitch, directionReverted } from './interrupted-switch.ts'
import { archiveAgain, leftArchive, mayLeaveArchive } from './leave-archive.ts'
import { askForRestart, restartOf } from './restart.ts'
import { shippedMark, shipWal } from './ship-wal.ts'
import { decodeToken } from './token.ts'

/** The old primary is shut down cleanly, ships its last WAL, and leaves a token that says exactly where it ended. */
export function demoteStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'demote', intent.from, {
    phase: 'FENCE',
    title: `Demotes ${from}: PostgreSQL is shut down cleanly, its last WAL is archived, and it comes back as a replica of ${to}`,
    deadline: minutes(5),
    expected: seconds(5),
    fence: 'database',
    parameters: { cluster: from, successor: to },
  })
}

export const demote: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const successor = parameter(run.step, 'successor')
    const progress = demotionOf(cluster, successor)
    // Before its effect: one who writes the old value just now would take it back, and a demotion that never began is
    // the quicker way back.
    const write = lastWriteOf(cluster, DIRECTION)
    const first = lastWrites.get(run.signal) ?? { write }
    lastWrites.set(run.signal, first)
    if (
      write !== null &&
      write !== first.write &&
      !run.applied &&
      run.pastReturn !== true &&
      cluster.spec.replica?.primary !== successor
    )
      return directionReverted(cluster, successor, 'before')
    // Users are shut out: whoever writes the old value back is not waited for, and the move goes back at once, as long
    // as it can.
    if (run.applied && cluster.spec.replica?.primary !== successor)
      return run.pastReturn === true && progress.is === 'pending'
        ? { ...progress, takenBackBy: lastWriterOf(cluster, DIRECTION) }
        : directionReverted(cluster, successor)
    return progress.is === 'pending' ? ((await neverEnds(run, cluster)) ?? progress) : progress
  },
  async apply(run) {
    const successor = parameter(run.step, 'successor')
    // One patch: a token that is left over makes the webhook refuse the demotion (CNPG #9273).
    const replica = { primary: successor, source: successor, promotionToken: null }
    const byStream = follows(run.component) === 'archive-and-streaming'
    const [cluster, may] = await Promise.all([clusterOfRun(run), byStream && mayLeaveArchive(run)])
    const patch = { spec: { replica, ...(may ? leftArchive(run, cluster, successor) : {}) } }
    // What an earlier demotion left behind is taken for this one's, which would never end then.
    if (!remembersSwitch(cluster)) await patchAsSeen(run, patch)
    else await patchAsSeen({ ...run, restsOn: asSeen(await clearSwitch(run, cluster)) }, patch)
  },
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  undo: takeBack,
  undone: takenBack,
  touch: touchCluster,
  /**
   * The operator looks at its cluster when an object changes, and PostgreSQL is none: where its last pass ended while
   * PostgreSQL was still shutting down, the next one came 25 s later, when the kubelet had something to say (1.30, seen
   * in the lab). Usually it is done after 2 s.
   */
  reminder: {
    every: seconds(4),
    async remind(run) {
      const cluster = await clusterOfRun(run)
      if ((await leftoverLink(run, cluster)) === null) await touchCluster(run)
      else await removeLeftoverLink(run, cluster)
    },
  },
  /**
   * The same on the way back; and a promotion whose pass ended too early forgets to tell PostgreSQL of the restart that
   * it owes (`restart.ts`).
   */
  reminderBack: {
    every: seconds(4),
    async remind(run) {
      const cluster = await clusterOfRun(run)
      if (cluster.spec.replica?.primary === cluster.metadata.name) await askSql(run, 'SELECT pg_reload_conf();')
      await touchCluster(run)
    },
  },
}

/** Which write of the direction was the last one when a running step looked first. */
const lastWrites = new WeakMap<AbortSignal, { readonly write: string | null }>()

/** Phase and Ready stay "healthy" during most of a demotion: only these fields are honest (measured). */
export function demotionOf(cluster: ClusterObject, successor: string): Progress {
  if (cluster.spec.replica?.primary !== successor)
    return {
      is: 'pending',
      waitingFor: `${cluster.metadata.name} to be told to follow ${successor}`,
      restsOn: asSeen(cluster),
    }
  const archiving = conditionOf(cluster, 'ContinuousArchiving')
  const token = decodeToken(cluster.status?.demotionToken)
  if (token !== null && cluster.status?.switchReplicaClusterStatus?.inProgress !== true)
    return {
      is: 'done',
      proof: {
        token: cluster.status?.demotionToken ?? '',
        timeline: token.timeline,
        redo: token.redoText,
        systemId: token.systemId,
      },
    }
  if (archiving?.status === 'False')
    return {
      is: 'pending',
      waitingFor: `the object store of ${cluster.metadata.name}: ${archiving.message ?? 'archiving fails'}`,
    }
  return { is: 'pending', waitingFor: `${cluster.metadata.name} to shut down and to archive its last WAL` }
}

/**
 * Before the promotion a demoted cluster becomes primary again with its own token, which is cleared when it is, and
 * restarts: what was seen says what is due. While the demotion is in progress the webhook refuses any change of
 * direction, so its end is awaited first.
 */
async function takeBack(run: Run): Promise<void> {
  const { token, due } = run.restsOn ?? {}
  if (due === 'restart') return askForRestart(run)
  if (due === 'checkpoint') return shipWal(run)
  if (due === 'interrupted') return void (await clearSwitch(run, await clusterOfRun(run)))
  if (due === 'leftover-link') return removeLeftoverLink(run, await clusterOfRun(run))
  const [name, successor] = [parameter(run.step, 'cluster'), parameter(run.step, 'successor')]
  await patchAsSeen(run, {
    spec:
      token === undefined
        ? { replica: { promotionToken: null }, ...archiveAgain(run, await clusterOfRun(run), successor) }
        : { replica: { primary: name, source: successor, promotionToken: token } },
  })
}

/**
 * Taken back is what serves again: the token is cleared, the restart that turns archiving on is over, and a checkpoint
 * was sent, for without one a restarted PostgreSQL ships nothing for up to five minutes, and the failed try of another
 * instance stands as archiving that fails. That the segment arrives is not waited for: a store that is gone must not
 * keep users out.
 */
async function takenBack(run: Run): Promise<Progress> {
  const cluster = await clusterOfRun(run)
  const name = parameter(run.step, 'cluster')
  const { primary, promotionToken } = cluster.spec.replica ?? {}
  if (primary !== name) {
    const token = cluster.status?.demotionToken
    const ended = token !== undefined && cluster.status?.switchReplicaClusterStatus?.inProgress !== true
    if (primary === parameter(run.step, 'successor') && ended)
      return {
        is: 'pending',
        waitingFor: `${name} to be told that it is the primary again`,
        restsOn: { ...asSeen(cluster), token },
      }
    const waiting: Progress = {
      is: 'pending',
      waitingFor: `the demotion of ${name} to end, before it can be taken back`,
    }
    const link = await leftoverLink(run, cluster)
    if (link !== null)
      return { ...waiting, waitingFor: `${link} to be removed`, restsOn: { ...asSeen(cluster), due: 'leftover-link' } }
    return (await neverEnds(run, cluster)) ?? waiting
  }
  const left = leftOfSwitch(cluster)
  if (left !== null)
    return {
      is: 'pending',
      waitingFor: `what is left of a demotion to be cleared (${left})`,
      restsOn: { ...asSeen(cluster), due: 'interrupted' },
    }
  const instance = await instanceOf(run, cluster)
  if (instance?.isPrimary !== true) return { is: 'pending', waitingFor: `${name} to leave recovery` }
  if (promotionToken || !asksArchiveOf(cluster, parameter(run.step, 'successor')))
    return { is: 'pending', waitingFor: `the token of ${name} to be cleared`, restsOn: asSeen(cluster) }
  const restarted = await restartOf(run, cluster, instance)
  if (restarted.is === 'pending' && restarted.restsOn !== undefined)
    return { ...restarted, restsOn: { ...restarted.restsOn, due: 'restart' } }
  if (restarted.is !== 'done') return restarted
  return shippedMark(run) === null
    ? { is: 'pending', waitingFor: `a checkpoint of ${name}`, restsOn: { ...asSeen(cluster), due: 'checkpoint' } }
    : restarted
}
