import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import type { BySite } from '../../../domain/observed.ts'
import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { unlessForbidden } from '../../../platform/kubernetes/unless-forbidden.ts'
import { endOf } from '../../../systems/postgres/control-data.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import { readControlData } from '../control-data.ts'
import { type ClusterObject, FENCE, POD, podOf, readCluster, readInstance } from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import {
  changesOfCluster,
  type DatabaseRun,
  invalidateCluster,
  kubernetesOf,
  namespaceOf,
  type OfCluster,
  patchCluster,
} from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { instancePods, isCutOff, lookAtInstance, notYetStopped, type StoppedInstance } from './stopped-instances.ts'

/**
 * The operator's own fence: it stops PostgreSQL in every instance and starts it on none, across every restart, until
 * the annotation is gone.
 */
const ALL = '["*"]'

/**
 * No step for a side that follows already: it accepts no write. For a Cluster that is gone the step proves that nothing
 * of it runs any more.
 */
export function fenceSteps(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
): DriverStep<OfFence>[] {
  const seen = states[intent.from]
  if (seen?.kind === 'absent') return [fenceStep(component, intent.from)]
  return seen?.kind === 'answering' && mayWrite(seen.state) ? [fenceStep(component, intent.from, seen.state.uid)] : []
}

/**
 * Whether it is a primary, or becomes one the moment it starts. Amid a demotion, which never ends where the site died
 * before PostgreSQL was shut down (shutdown_wal.go of 1.30), the data are still those of a primary. A silent instance
 * counts as its specification says. Pure.
 */
export const mayWrite = ({ isReplica, inProgress, instance }: CloudNativePgState): boolean =>
  !isReplica || inProgress || instance?.isPrimary === true

/**
 * `uid`: of the Cluster that is meant. One that a rejoin made anew meanwhile, under the same name, is not fenced.
 * Empty: any one of that name.
 */
export function fenceStep(component: Database, site: SiteName, uid = ''): DriverStep<OfFence> {
  const cluster = clusterOf(component, site)
  return planStep(fence, site, {
    phase: 'FENCE',
    title: `Fences ${cluster}: the operator stops PostgreSQL in every instance and keeps it stopped, across every restart, until the fence is removed`,
    // A shutdown waits for the archiver, which tries three times what a closed or silent archive will never take.
    deadline: minutes(5),
    expected: seconds(3),
    fence: 'database',
    parameters: { cluster, uid },
  })
}

export type OfFence = OfCluster & {
  /** metadata.uid of the Cluster; empty: any one of that name. */
  readonly uid: string
}
export interface Fenced extends Proof {
  readonly annotation: string
  readonly instances: StoppedInstance[]
  readonly readyInstances: number
  /** `Database cluster state` of the control file of the primary; null where it could not be read. */
  readonly state: string | null
  readonly timeline: number | null
  /** Where its WAL ends (LSN); null where that is unknown. */
  readonly endedAt: string | null
  /** ISO 8601. */
  readonly fencedAt: string
}
/** The Cluster does not exist, and nothing of it runs. */
interface Gone extends Proof {
  readonly cluster: null
}
type Run = DatabaseRun<OfFence>

export const fence: Action<CloudNativePgSpec, OfFence, Fenced | Gone> = {
  name: 'fence',
  parameters: parametersOf<OfFence>({ cluster: TEXT, uid: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await fencedCluster(run)
      // This step is not about a Cluster that was made anew.
      if (cluster === null) return isGone(run)
      if (cluster.metadata.annotations?.[FENCE] !== ALL)
        return { is: 'pending', waitingFor: `${cluster.metadata.name} to be fenced`, due: asSeen(cluster) }
      const instances = await Promise.all((await instancePods(run)).map((pod) => lookAtInstance(run, pod)))
      const open = notYetStopped(run, instances)
      if (open !== null) return open
      const primary = await controlDataOf(run, cluster)
      return {
        is: 'done',
        proof: {
          annotation: ALL,
          instances: instances.flatMap((instance) => ('stopped' in instance ? [instance.stopped] : [])),
          readyInstances: cluster.status?.readyInstances ?? 0,
          state: primary?.state ?? null,
          timeline: primary?.timeline ?? null,
          endedAt: primary === null ? null : endOf(primary),
          fencedAt: run.context.clock.now().toISOString(),
        },
      }
    },
    apply: (run: Run, seen: AsSeen) => annotate(run, seen, ALL),
    changes: changesOfCluster,
    invalidate: invalidateCluster,
    nudge: { every: seconds(10), send: stopForgotten },
    back: { undo: liftFence, undone: fenceIsLifted },
  },
  byHand: {
    say(component, step, around) {
      const { cluster } = step.parameters
      const { kubectl, psql } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [`${kubectl} annotate cluster ${cluster} --overwrite ${quoted(`${FENCE}=${ALL}`)}`, psql('SELECT 1')],
        expect:
          'psql fails in every instance with "No such file or directory" or "Connection refused". Phase and Ready go on saying healthy.',
        never: 'Take the fence away before the site has rejoined: the cluster believes that it is the primary.',
      }
    },
  },
}

/** Removes the fence, if the Cluster is still as it was seen. */
export function liftFence(run: Run, seen: AsSeen): Promise<void> {
  return annotate(run, seen, null)
}

interface Lifted extends Proof {
  /** Position of the primary; null where it was silent before as well. */
  readonly currentLsn?: string | null
  readonly asBefore?: string
}

/** Whether the fence is gone, and the primary accepts writes again. */
export async function fenceIsLifted(run: Run): Promise<Seen<Lifted, AsSeen>> {
  const cluster = await fencedCluster(run)
  if (cluster === null) return { is: 'done', proof: {} }
  const { name } = cluster.metadata
  if (cluster.metadata.annotations?.[FENCE] !== undefined)
    return { is: 'pending', waitingFor: `the fence of ${name} to be removed`, due: asSeen(cluster) }
  const pod = cluster.status?.currentPrimary
  const primary = (await instancePods(run)).find(({ metadata }) => metadata.name === pod)
  const instance = pod === undefined ? null : await readInstance(kubernetesOf(run), namespaceOf(run), pod, run.signal)
  // By its own report: only a server that runs gives a position.
  if (instance?.isPrimary === true && instance.mightBeUnavailable !== true && instance.currentLsn !== undefined)
    return { is: 'done', proof: { currentLsn: instance.currentLsn } }
  // It was lost before the failover began, and is as it was.
  if (run.intent?.mode === 'failover' && instance === null && primary !== undefined && isCutOff(run, primary))
    return {
      is: 'done',
      proof: { currentLsn: null, asBefore: `${pod} is not ready, and its instance manager does not answer` },
    }
  return { is: 'pending', waitingFor: `${name} to accept writes again` }
}

/**
 * A Cluster that is gone accepts nothing, once its pods are gone too: deleted without its dependents, it leaves them
 * running.
 */
async function isGone(run: Run): Promise<Seen<Gone, never>> {
  const { uid } = run.step.parameters
  const pods = (await instancePods(run)).filter((pod) => uid === '' || belongsTo(pod, uid))
  const instances = await Promise.all(pods.map((pod) => lookAtInstance(run, pod)))
  return notYetStopped(run, instances) ?? { is: 'done', proof: { cluster: null } }
}
const belongsTo = ({ metadata }: KubernetesObject, uid: string): boolean =>
  metadata.ownerReferences?.some((owner) => owner.uid === uid) === true

async function fencedCluster(run: Run): Promise<ClusterObject | null> {
  const { cluster: name, uid } = run.step.parameters
  const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
  return uid === '' || cluster?.metadata.uid === uid ? cluster : null
}

async function controlDataOf(run: Run, { status }: ClusterObject) {
  const pod = status?.currentPrimary
  return pod === undefined ? null : readControlData(kubernetesOf(run), podOf(namespaceOf(run), pod), run)
}

async function annotate(run: Run, seen: AsSeen, fenced: string | null): Promise<void> {
  try {
    await patchCluster(run, seen, { metadata: { annotations: { [FENCE]: fenced } } })
  } catch (error) {
    if (asStandbyError(error).code !== 'kubernetes-not-found') throw error
  }
}

/**
 * An instance manager that learns of the fence in the milliseconds in which its PostgreSQL starts finds none to stop
 * ("instance is not running"), counts as fenced, and never looks again: PostgreSQL goes on, and takes writes
 * (HandleInstanceCommandRequests in instance.go of 1.30; seen after a power failure). To lift the fence and set it anew
 * would leave that manager deaf: it would wait for the end of a server that nothing stops. What this sends ends in the
 * state that the manager believes in.
 */
async function stopForgotten(run: Run): Promise<void> {
  const cluster = await fencedCluster(run)
  if (cluster?.metadata.annotations?.[FENCE] !== ALL) return
  for (const pod of await instancePods(run)) {
    const says = await readInstance(kubernetesOf(run), namespaceOf(run), pod.metadata.name, run.signal)
    // A server on its way down reports no position any more. One that still writes its last checkpoint takes writes as
    // well, and is stopped like a forgotten one.
    if (says?.mightBeUnavailable !== true || says.currentLsn === undefined) continue
    const forgotten = `${run.step.id}: ${pod.metadata.name} counts as fenced, and its PostgreSQL runs`
    try {
      run.context.log.info(`${forgotten}: ${await stop(run, pod)}`)
    } catch (error) {
      run.signal.throwIfAborted()
      run.context.log.warning(`${forgotten}; it cannot be stopped: ${asStandbyError(error).message}`)
    }
  }
}

/**
 * A pod that ends shuts its PostgreSQL down: sessions may end first, and after this time it is killed. Then the end of
 * its WAL is not known.
 */
const LAST_SESSIONS: Milliseconds = seconds(10)

/**
 * By a command, which writes the end of the WAL down. The guard may run none: it deletes the pod, whose successor reads
 * the annotation before it starts anything (runPostgresAndWait in run.go of 1.30: "Instance is fenced, won't start
 * postgres right now").
 */
async function stop(run: Run, { metadata: { name, uid } }: KubernetesObject): Promise<string> {
  const kubernetes = kubernetesOf(run)
  return unlessForbidden(
    async () => {
      const command = ['pg_ctl', 'stop', '--mode=fast', '--no-wait']
      const answer = await kubernetes.exec(podOf(namespaceOf(run), name), command, { signal: run.signal })
      return answer.code === 0 ? 'stopped by hand' : answer.stderr.trim()
    },
    async () => {
      const only = uid === undefined ? {} : { uid }
      await kubernetes.remove(
        { ...POD, namespace: namespaceOf(run), name },
        { ...only, gracePeriod: LAST_SESSIONS, signal: run.signal },
      )
      return 'its pod is deleted, and comes back fenced'
    },
  )
}
