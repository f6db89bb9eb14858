import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriteOf, lastWriterOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { DIRECTION, leftOfSwitch, remembersSwitch } from '../left-of-switch.ts'
import { asksArchiveOf, type ClusterObject } from '../objects.ts'
import {
  askSql,
  changesOfCluster,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  type OfCluster,
  patchCluster,
  remember,
} from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database, follows } from '../spec.ts'
import { leftoverLink, neverEnds, removeLeftoverLink } from './amid-demotion.ts'
import { clearSwitch, directionReverted } from './interrupted-switch.ts'
import { archiveAgain, leftArchive, mayLeaveArchive } from './leave-archive.ts'
import { type Refused, requestOwedRestart, restartOf } from './restart.ts'
import { type Marked, shippedMark, shipWal } from './ship-wal.ts'
import { decodeToken } from './token.ts'

/** The old primary is shut down cleanly, ships its last WAL, and leaves a token that says exactly where it ended. */
export function demoteStep(component: Database, intent: Intent): DriverStep<OfDemotion> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(demote, intent.from, {
    phase: 'FENCE',
    title: `Demotes ${from}: PostgreSQL is shut down cleanly, its last WAL is archived, and it comes back as a replica of ${to}`,
    deadline: minutes(5),
    expected: seconds(5),
    fence: 'database',
    parameters: { cluster: from, successor: to },
  })
}

export type OfDemotion = OfCluster & {
  /** metadata.name of the Cluster that is promoted afterwards. */
  readonly successor: string
}
export interface Demoted extends Proof {
  /** As the operator leaves it (`token.ts`). */
  readonly token: string
  readonly timeline: number
  /** The position of its last checkpoint, such as `0/9000028`. */
  readonly redo: string
  readonly systemId: string
}
/** The undo is one of these; without `due` the spec is patched: with the `token`, or to clear it. */
type Due = AsSeen & {
  readonly due?: 'restart' | 'checkpoint' | 'interrupted' | 'leftover-link'
  readonly token?: string
}
interface Remembered extends Marked, Refused {
  /** The last write of the direction before this process changed it; null: none is on record. */
  readonly firstWrite?: string | null
}
type Run = DatabaseRun<OfDemotion, Remembered>

export const demote: Action<CloudNativePgSpec, OfDemotion, Demoted> = {
  name: 'demote',
  parameters: parametersOf<OfDemotion>({ cluster: TEXT, successor: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const { successor } = run.step.parameters
      const progress = demotionOf(cluster, successor)
      const write = lastWriteOf(cluster, DIRECTION)
      const { firstWrite = write } = run.memory.value ?? {}
      remember<Remembered>(run, { firstWrite })
      const isDirected = cluster.spec.replica?.primary === successor
      // Before its effect: a writer that writes the old value just now would revert it, and a demotion that never began
      // is the quicker way back.
      const isWrittenByOthers = write !== null && write !== firstWrite
      if (isWrittenByOthers && !run.applied && !run.pastReturn && !isDirected)
        return directionReverted(cluster, successor, 'before')
      // Traffic is closed: the move does not wait for the one that writes the old value back. It turns back at once,
      // as long as it can.
      if (run.applied && !isDirected)
        return run.pastReturn && progress.is === 'pending'
          ? { ...progress, revertedBy: lastWriterOf(cluster, DIRECTION) }
          : directionReverted(cluster, successor)
      return progress.is === 'pending' ? ((await neverEnds(run, cluster)) ?? progress) : progress
    },
    async apply(run: Run, seen: Due) {
      const { successor } = run.step.parameters
      // One patch: a token that is left over makes the webhook refuse the demotion (CNPG #9273).
      const replica = { primary: successor, source: successor, promotionToken: null }
      const byStream = follows(run.component) === 'archive-and-streaming'
      const [cluster, may] = await Promise.all([clusterOfRun(run), byStream && mayLeaveArchive(run)])
      const patch = { spec: { replica, ...(may ? leftArchive(run, cluster, successor) : {}) } }
      // The operator would take the remains of an earlier demotion for a part of this one, which would never end.
      await patchCluster(run, remembersSwitch(cluster) ? await clearSwitch(run, seen, cluster) : seen, patch)
    },
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    /**
     * The operator looks at its cluster when an object changes, and PostgreSQL is no object: where its last pass ended
     * while PostgreSQL was still shutting down, the next one came 25 s later, at an event of the kubelet (1.30, seen in
     * the lab). Usually the demotion is done after 2 s.
     */
    nudge: {
      every: seconds(4),
      async send(run) {
        const cluster = await clusterOfRun(run)
        await ((await leftoverLink(run, cluster)) === null ? invalidateCluster(run) : removeLeftoverLink(run, cluster))
      },
    },
    back: {
      undo,
      undone,
      /**
       * The same on the way back. And a promotion whose pass ended too early forgets to make PostgreSQL read the
       * setting for which it has to restart (`restart.ts`).
       */
      nudge: {
        every: seconds(4),
        async send(run) {
          const cluster = await clusterOfRun(run)
          if (cluster.spec.replica?.primary === cluster.metadata.name) await askSql(run, 'SELECT pg_reload_conf();')
          await invalidateCluster(run)
        },
      },
    },
  },
  byHand: {
    say(component, step, around) {
      const { cluster, successor } = step.parameters
      const { get, patch } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [
          patch({ replica: { primary: successor, source: successor, promotionToken: null } }),
          `${get('{.status.switchReplicaClusterStatus.inProgress} {.status.demotionToken}')}   # until a token is there, and no "true" before it`,
          `TOKEN=$(${get('{.status.demotionToken}')})`,
          'printf %s "$TOKEN" | base64 -d   # latestCheckpointREDOLocation, latestCheckpointTimelineID: keep them in sight',
        ],
        expect: `The token decodes to JSON with the last position of ${cluster}. Phase and Ready go on saying "healthy" meanwhile: look at the token alone.`,
        never: `Change ${cluster} and ${successor} at the same time, or promote ${successor} before this token exists: both would write.`,
      }
    },
  },
}

/** Phase and Ready stay "healthy" during most of a demotion: only these fields are reliable (measured). Pure. */
export function demotionOf(cluster: ClusterObject, successor: string): Seen<Demoted, AsSeen> {
  const { name } = cluster.metadata
  if (cluster.spec.replica?.primary !== successor)
    return { is: 'pending', waitingFor: `${name} to follow ${successor}`, due: asSeen(cluster) }
  const text = cluster.status?.demotionToken ?? ''
  const token = decodeToken(text)
  if (token !== null && cluster.status?.switchReplicaClusterStatus?.inProgress !== true)
    return {
      is: 'done',
      proof: { token: text, timeline: token.timeline, redo: token.redoText, systemId: token.systemId },
    }
  const archiving = conditionOf(cluster, 'ContinuousArchiving')
  return {
    is: 'pending',
    waitingFor:
      archiving?.status === 'False'
        ? `the object store of ${name}: ${archiving.message ?? 'archiving fails'}`
        : `${name} to shut down and to archive its last WAL`,
  }
}

/**
 * Before the promotion a demoted cluster becomes primary again with its own token, which is cleared once it is, and
 * restarts: the precondition says what is due. While the demotion is in progress the webhook refuses any change of
 * direction, so the undo awaits its end first.
 */
async function undo(run: Run, seen: Due): Promise<void> {
  if (seen.due === 'restart') return requestOwedRestart(run, seen)
  if (seen.due === 'checkpoint') return shipWal(run)
  if (seen.due === 'interrupted') return void (await clearSwitch(run, seen, await clusterOfRun(run)))
  if (seen.due === 'leftover-link') return removeLeftoverLink(run, await clusterOfRun(run))
  const { cluster: name, successor } = run.step.parameters
  await patchCluster(run, seen, {
    spec:
      seen.token === undefined
        ? { replica: { promotionToken: null }, ...archiveAgain(run, await clusterOfRun(run), successor) }
        : { replica: { primary: name, source: successor, promotionToken: seen.token } },
  })
}

/**
 * Undone means that it serves again: the token is cleared, the restart that turns archiving on is over, and a
 * checkpoint was sent. Without that a restarted PostgreSQL ships nothing for up to five minutes, and the failed try of
 * another instance remains as archiving that fails. The arrival of the segment is not awaited: an object store that is
 * gone must not keep users out.
 */
async function undone(run: Run): Promise<Seen<Proof, Due>> {
  const cluster = await clusterOfRun(run)
  const { cluster: name, successor } = run.step.parameters
  const { primary, promotionToken } = cluster.spec.replica ?? {}
  if (primary !== name) return demotionEnded(run, cluster)
  const left = leftOfSwitch(cluster)
  if (left !== null)
    return {
      is: 'pending',
      waitingFor: `what is left of a demotion to be cleared (${left})`,
      due: { ...asSeen(cluster), due: 'interrupted' },
    }
  const instance = await instanceOf(run, cluster)
  if (instance?.isPrimary !== true) return { is: 'pending', waitingFor: `${name} to leave recovery` }
  if (promotionToken || !asksArchiveOf(cluster, successor))
    return { is: 'pending', waitingFor: `the token of ${name} to be cleared`, due: asSeen(cluster) }
  const restarted = await restartOf(run, cluster, instance)
  if (restarted.is === 'pending') {
    const { waitingFor, due } = restarted
    return { is: 'pending', waitingFor, ...(due === undefined ? {} : { due: { ...due, due: 'restart' } }) }
  }
  return restarted.is === 'done' && shippedMark(run) === null
    ? { is: 'pending', waitingFor: `a checkpoint of ${name}`, due: { ...asSeen(cluster), due: 'checkpoint' } }
    : restarted
}

/** Whether the demotion has ended, so that the old direction can be given back. */
async function demotionEnded(run: Run, cluster: ClusterObject): Promise<Seen<Proof, Due>> {
  const { cluster: name, successor } = run.step.parameters
  const token = cluster.status?.demotionToken
  const ended = token !== undefined && cluster.status?.switchReplicaClusterStatus?.inProgress !== true
  if (cluster.spec.replica?.primary === successor && ended)
    return { is: 'pending', waitingFor: `${name} to be the primary again`, due: { ...asSeen(cluster), token } }
  const link = await leftoverLink(run, cluster)
  if (link !== null)
    return {
      is: 'pending',
      waitingFor: `${link} to be removed`,
      due: { ...asSeen(cluster), due: 'leftover-link' },
    }
  const waitingFor = `the demotion of ${name} to end, before it can be undone`
  return (await neverEnds(run, cluster)) ?? { is: 'pending', waitingFor }
}
