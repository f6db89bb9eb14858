import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import type { BySite } from '../../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { type ControlData, endOf, parseControlData } from '../../../systems/postgres/control-data.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import {
  type ClusterObject,
  clusterRef,
  FENCE,
  type InstanceStatus,
  POD,
  podOf,
  readCluster,
  readInstance,
} from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { namespaceOf, patchAsSeen, type Run, touchCluster } from '../where.ts'

/**
 * The operator's own fence: it stops PostgreSQL in every instance and starts it nowhere, whatever restarts, until the
 * annotation is gone.
 */
const ALL = '["*"]'

/**
 * Nothing for a side that follows already: it accepts no write. Of a Cluster that is gone it is proven that nothing of
 * it runs any more.
 */
export function fenceSteps(component: Database, states: BySite<CloudNativePgState>, intent: Intent): PlannedStep[] {
  const seen = states[intent.from]
  if (seen?.kind === 'absent') return [fenceStep(component, intent.from)]
  return seen?.kind === 'answering' && mayWrite(seen.state) ? [fenceStep(component, intent.from, seen.state.uid)] : []
}

/**
 * A primary, or one that calls itself one the moment it starts: amid a demotion, which never ends where the site died
 * before PostgreSQL was shut down (shutdown_wal.go of 1.30), the data are still those of a primary. A silent instance
 * counts as what its specification says.
 */
export const mayWrite = ({ isReplica, inProgress, instance }: CloudNativePgState): boolean =>
  !isReplica || inProgress || instance?.isPrimary === true

/**
 * `uid` of the cluster that is meant: one that a rejoin made anew meanwhile, under the same name, is nobody's to fence.
 * Empty: whichever is there.
 */
export function fenceStep(component: Database, site: SiteName, uid = ''): PlannedStep {
  const cluster = clusterOf(component, site)
  return plannedStep(component, 'fence', site, {
    phase: 'FENCE',
    title: `Fences ${cluster}: the operator stops PostgreSQL in every instance and keeps it stopped, across every restart, until somebody takes the fence away`,
    // A shutdown waits for the archiver, which tries three times what an archive that is closed or silent will never
    // take.
    deadline: minutes(5),
    expected: seconds(3),
    fence: 'database',
    parameters: { cluster, uid },
  })
}

export const fence: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await fencedCluster(run)
    // One that is made anew is not this step's business.
    if (cluster === null) return gone(run)
    if (cluster.metadata.annotations?.[FENCE] !== ALL)
      return { is: 'pending', waitingFor: `${cluster.metadata.name} to be told`, restsOn: asSeen(cluster) }
    const instances = await Promise.all((await instancePods(run)).map((pod) => stopped(run, pod)))
    const open = stillThere(run, instances)
    if (open !== null) return open
    const primary = await controlData(run, cluster.status?.currentPrimary)
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
  apply: (run) => annotate(run, ALL),
  changes: (run) => kubernetesOf(run).watch(clusterRef(namespaceOf(run), parameter(run.step, 'cluster')), run.signal),
  reminder: { every: seconds(10), remind: stopForgotten },
  undo: (run) => annotate(run, null),
  touch: touchCluster,
  async undone(run): Promise<Progress> {
    const cluster = await fencedCluster(run)
    if (cluster === null) return { is: 'done', proof: {} }
    const name = cluster.metadata.name
    if (cluster.metadata.annotations?.[FENCE] !== undefined)
      return { is: 'pending', waitingFor: `the fence of ${name} to be taken away`, restsOn: asSeen(cluster) }
    const pod = cluster.status?.currentPrimary
    const primary = (await instancePods(run)).find(({ metadata }) => metadata.name === pod)
    const instance = pod === undefined ? null : await readInstance(kubernetesOf(run), namespaceOf(run), pod, run.signal)
    // Writable again, and by its own word: a position is only given by a server that runs.
    return instance?.isPrimary === true && instance.mightBeUnavailable !== true && instance.currentLsn !== undefined
      ? { is: 'done', proof: { currentLsn: instance.currentLsn } }
      : // It was lost before the failover began, and is as it was.
        run.intent?.mode === 'failover' && instance === null && primary !== undefined && isCutOff(run, primary)
        ? {
            is: 'done',
            proof: { currentLsn: null, asBefore: `${pod} is not ready, and its instance manager does not answer` },
          }
        : { is: 'pending', waitingFor: `${name} to accept writes again` }
  },
}

/**
 * A cluster that is gone accepts nothing, once its pods are gone too: deleted without its dependents, it leaves them
 * running.
 */
async function gone(run: Run): Promise<Progress> {
  const { uid } = run.step.parameters
  const pods = (await instancePods(run)).filter((pod) => typeof uid !== 'string' || uid === '' || belongsTo(pod, uid))
  const instances = await Promise.all(pods.map((pod) => stopped(run, pod)))
  return stillThere(run, instances) ?? { is: 'done', proof: { cluster: null } }
}
const belongsTo = ({ metadata }: KubernetesObject, uid: string): boolean =>
  metadata.ownerReferences?.some((owner) => owner.uid === uid) === true

async function fencedCluster(run: Run): Promise<ClusterObject | null> {
  const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), parameter(run.step, 'cluster'), run.signal)
  const { uid } = run.step.parameters
  return uid === '' || uid === undefined || cluster?.metadata.uid === uid ? cluster : null
}

async function annotate(run: Run, fenced: string | null): Promise<void> {
  try {
    await patchAsSeen(run, { metadata: { annotations: { [FENCE]: fenced } } })
  } catch (error) {
    if (asStandbyError(error).code !== 'kubernetes-not-found') throw error
  }
}

/**
 * An instance manager that hears of the fence in the milliseconds in which its PostgreSQL starts finds none to stop
 * ("instance is not running"), counts as fenced, and looks never again: PostgreSQL goes on, and takes writes
 * (HandleInstanceCommandRequests in instance.go of 1.30; seen behind a power failure). To lift the fence and set it
 * anew would leave that manager deaf, for it waits then for the end of what nobody stops. What is asked here ends in
 * the state that it believes in.
 */
async function stopForgotten(run: Run): Promise<void> {
  const cluster = await fencedCluster(run)
  if (cluster?.metadata.annotations?.[FENCE] !== ALL) return
  for (const pod of await instancePods(run)) {
    const says = await readInstance(kubernetesOf(run), namespaceOf(run), pod.metadata.name, run.signal)
    // One on its way down tells no position any more; one that still writes its last checkpoint takes writes as well,
    // and is ended like a forgotten one.
    if (says?.mightBeUnavailable !== true || says.currentLsn === undefined) continue
    const forgotten = `${run.step.id}: ${pod.metadata.name} counts as fenced, and its PostgreSQL runs`
    try {
      run.context.log.info(`${forgotten}: ${await stop(run, pod)}`)
    } catch (error) {
      run.signal.throwIfAborted()
      run.context.log.warning(`${forgotten}; it can not be stopped: ${asStandbyError(error).message}`)
    }
  }
}

/**
 * A pod that ends shuts its PostgreSQL down: it lets sessions end first, and is killed when they have not by then. The
 * end of its WAL is not known then.
 */
const LAST_SESSIONS: Milliseconds = seconds(10)

/**
 * By a command, which writes the end of the WAL down. The guard may run none: it deletes the pod, whose successor reads
 * the annotation before it starts anything (runPostgresAndWait in run.go of 1.30: "Instance is fenced, won't start
 * postgres right now").
 */
async function stop(run: Run, { metadata: { name, uid } }: KubernetesObject): Promise<string> {
  const kubernetes = kubernetesOf(run)
  try {
    const command = ['pg_ctl', 'stop', '--mode=fast', '--no-wait']
    const answer = await kubernetes.exec(podOf(namespaceOf(run), name), command, { signal: run.signal })
    return answer.code === 0 ? 'stopped by hand' : answer.stderr.trim()
  } catch (error) {
    if (asStandbyError(error).code !== 'kubernetes-forbidden') throw error
  }
  const only = uid === undefined ? {} : { uid }
  await kubernetes.remove(
    { ...POD, namespace: namespaceOf(run), name },
    { ...only, gracePeriod: LAST_SESSIONS, signal: run.signal },
  )
  return 'its pod is deleted, and comes back fenced'
}

async function instancePods(run: Run): Promise<KubernetesObject[]> {
  const labelSelector = `cnpg.io/cluster=${parameter(run.step, 'cluster')},cnpg.io/podRole=instance`
  const pods = await kubernetesOf(run).list(POD, { namespace: namespaceOf(run), labelSelector }, { signal: run.signal })
  return pods.filter(isThere)
}

/**
 * An instance manager that restarts is back in seconds. Users wait for a failover; behind it nobody does, and a site
 * that has just come back needs more.
 */
const silenceOf = (run: Run): Milliseconds => (run.intent?.mode === 'failover' ? seconds(20) : minutes(2))

/**
 * A dead node leaves its pods "Running" behind, and takes them out of Ready once its kubelet has been silent for the
 * grace period (40 to 50 s, node lifecycle controller). With an instance manager that is silent as well, nothing there
 * can prove anything, however long one waits. A pod that is Ready is waited for.
 */
function isCutOff(run: Run, pod: KubernetesObject): boolean {
  const ready = conditionOf(pod, 'Ready')
  return ready !== undefined && ready.status !== 'True' && runningFor(run) >= silenceOf(run)
}

/** A pod whose containers have all ended runs nothing. */
const isThere = (pod: KubernetesObject): boolean =>
  !['Failed', 'Succeeded'].includes((pod.status as { phase?: string } | undefined)?.phase ?? '')

/** Null once every instance has stopped. */
function stillThere(run: Run, instances: readonly Stopped[]): Progress | null {
  for (const instance of instances)
    if ('unseen' in instance)
      return {
        is: 'failed',
        code: 'fence-unproven',
        why: `${instance.unseen}: nobody can see whether PostgreSQL has stopped`,
        next: `Look at the node under it, or switch ${siteOf(run)} off; the fence holds as soon as the node is back.`,
      }
  for (const instance of instances) if ('running' in instance) return { is: 'pending', waitingFor: instance.running }
  // Told, and perhaps stopped: who looks whether the fence still holds must not take it for an open one.
  for (const instance of instances) if ('silent' in instance) return { is: 'unknown', why: instance.silent }
  return null
}

type Stopped =
  | { readonly stopped: { readonly pod: string; readonly says: string } }
  | { readonly running: string }
  | { readonly silent: string }
  | { readonly unseen: string }

/**
 * The word of the instance manager, which tries its own server over a local socket. That it "might be unavailable" is
 * true from the moment at which the fence begins; only the failed connection shows that the server is gone. Phase and
 * Ready go on saying healthy (measured).
 */
async function stopped(run: Run, object: KubernetesObject): Promise<Stopped> {
  const pod = object.metadata.name
  const says = await readInstance(kubernetesOf(run), namespaceOf(run), pod, run.signal)
  if (says === null && isCutOff(run, object))
    return { unseen: `${pod} is not ready, and its instance manager does not answer` }
  if (says === null) return { silent: `the instance manager of ${pod} does not answer` }
  const why = unavailable(says)
  return why === null ? { running: `PostgreSQL in ${pod} to stop` } : { stopped: { pod, says: why } }
}

/**
 * Why the server does not answer; null while it does, or while it is only on its way down. Nothing but a socket that
 * nobody listens on counts: a connection that was ended, or refused by the server itself, comes from one that may still
 * be finishing a commit (seen).
 */
export function unavailable(says: InstanceStatus): string | null {
  const error = says.mightBeUnavailable === true ? (says.mightBeUnavailableMaskedError ?? '') : ''
  return /no such file or directory|connection refused/i.test(error) ? error : null
}

/**
 * Null where this identity may run nothing in the pod: then the fence holds all the same, and the end of the WAL is not
 * known.
 */
export async function controlData(run: Run, pod: string | undefined): Promise<ControlData | null> {
  if (pod === undefined) return null
  try {
    const answer = await kubernetesOf(run).exec(podOf(namespaceOf(run), pod), ['pg_controldata'], {
      signal: run.signal,
    })
    return answer.code === 0 ? parseControlData(answer.stdout) : null
  } catch (error) {
    run.signal.throwIfAborted()
    run.context.log.debug(`${siteOf(run)}: pg_controldata of ${pod}: ${asStandbyError(error).message}`)
    return null
  }
}
