import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Intent, Phase } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Seen, Versioned } from '../../driver/behaviour.ts'
import { NUMBER, orNull, parametersOf } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import type { Varies } from '../../driver/varying.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type AsSeen, ifUnchanged, invalidateObject } from '../../platform/kubernetes/compare-and-set.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import type { Json } from '../../values/json.ts'
import { replicasOfRole } from './deploy.ts'
import { withHelm } from './helm.ts'
import type { Before, Start } from './parameters.ts'
import { startByHand, stopByHand } from './runbook.ts'
import { type Application, type HelmReleaseSpec, type ReleaseRun, workloadRef } from './spec.ts'
import {
  mayStillRun,
  POD,
  podChanges,
  podsInWords,
  podsOf,
  type RolledOut,
  readWorkload,
  rollout,
  type SeenWorkload,
  waitsAfterCrash,
} from './workload.ts'

/**
 * The site writes no more: all pods are gone, or all their containers have ended. The undo restores `before`; null: the
 * number of the release.
 */
export const stopStep = (
  component: Application,
  site: SiteName,
  { phase, before, deadline = minutes(5) }: { readonly phase: Phase; readonly deadline?: Milliseconds } & Before,
): DriverStep<Before> =>
  planStep(stop, site, {
    phase,
    fence: 'application',
    title: `Stops ${component.spec.workload.name} on ${site} and waits until no pod of it runs`,
    deadline,
    expected: seconds(2),
    parameters: { before },
  })

/**
 * The values of each role declare the number of replicas. Scaling is the quick way to it, and a later step gives the
 * release the same number. Where it is unknown how many served before, the values of the active role decide.
 */
export const startStep = (component: Application, { to }: Intent, replicas: number | null): DriverStep<Start> =>
  planStep(start, to, {
    phase: 'START',
    title: `Starts ${component.spec.workload.name} on ${to} and waits until every replica is ready`,
    deadline: minutes(10),
    expected: seconds(4),
    parameters: { replicas },
  })

/**
 * An autoscaler changes the number within these bounds while people decide; and the number of a silent lost site is
 * unknown.
 */
const MOST_TIMES = 10
const MOST_UNSEEN = 100
export const replicasVary: Varies = (planned, now) => {
  const most = typeof now === 'number' ? MOST_TIMES * now : MOST_UNSEEN
  return isCount(now) && isCount(planned) && (planned === null || planned <= most)
}
const isCount = (value: Json | undefined): value is number | null =>
  value === null || (typeof value === 'number' && Number.isInteger(value) && value > 0)

/** The precondition of a scale. `due: 'crashed'`: the number is right, but pods that crashed earlier still wait. */
type WorkloadAsSeen = AsSeen & { readonly due?: 'crashed' }
/** The identity may not remove pods: they are waited for. */
type Remembered = 'may-not-remove'
type ScaleRun = ReleaseRun<Before | Start, Remembered>

interface Stopped extends Proof {
  readonly replicas: 0
  readonly pods: 0
}

const stopping: Versioned<HelmReleaseSpec, Before, Stopped, WorkloadAsSeen, Remembered> = {
  is: 'versioned',
  async done(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view !== null && view.declared !== 0) {
      // Doors are closed: a switchover is undone at once, as long as that is possible. On a lost site, or one that its
      // guard shuts, the application is stopped again each time.
      if (run.applied && run.intent?.mode === 'switchover' && !run.pastReturn) return scaledByOthers(run, view, 0)
      return {
        is: 'pending',
        waitingFor: `${run.component.spec.workload.name} to be scaled to 0`,
        due: view.seen,
        ...(run.applied ? { revertedBy: view.scaledBy ?? 'another manager' } : {}),
      }
    }
    const pods = await podsOf(kubernetesOf(run), run.component, run.signal)
    if (pods === null)
      return {
        is: 'unknown',
        why: `the selector of ${run.component.spec.workload.name} cannot be asked for: whether pods are left is not seen`,
      }
    const left = pods.filter(mayStillRun).length
    return left === 0
      ? { is: 'done', proof: { replicas: 0, pods: 0 } }
      : { is: 'pending', waitingFor: `${podsInWords(left)} of ${run.component.spec.workload.name} to end` }
  },
  apply: (run, seen) => scale(run, 0, seen),
  changes: watchPods,
  invalidate: invalidateWorkload,
  back: {
    async undo(run, seen) {
      if (seen.due === 'crashed') await removeCrashed(run)
      else await scale(run, run.step.parameters.before ?? (await declaredReplicas(run)), seen)
    },
    async undone(run) {
      const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
      if (view === null) return { is: 'done', proof: replicasLeft(null) }
      const { before } = run.step.parameters
      // A site that was half lost when the step began need not serve now: its number of replicas is restored.
      if (run.intent?.mode === 'failover') {
        const isBack = before === null ? view.declared > 0 : view.declared === before
        return isBack
          ? { is: 'done', proof: replicasLeft(view.declared) }
          : {
              is: 'pending',
              waitingFor: `${run.component.spec.workload.name} to be scaled to ${before ?? 'what its release says'}`,
              due: view.seen,
            }
      }
      // A manager that keeps another number is left alone: users are served by it.
      const wanted = view.declared > 0 && view.scaledBy !== null ? null : before
      return (
        (await sleeping(run, before)) ??
        (await crashed(run)) ??
        rollout(kubernetesOf(run), run.component, wanted, run.signal)
      )
    },
  },
}
const replicasLeft = (replicas: number | null): Proof & { readonly replicas: number | null } => ({ replicas })

export const stop: Action<HelmReleaseSpec, Before, Stopped> = {
  name: 'stop',
  parameters: parametersOf<Before>({ before: orNull(NUMBER) }),
  varies: { before: replicasVary },
  behaviour: stopping,
  byHand: stopByHand,
}

const starting: Versioned<HelmReleaseSpec, Start, RolledOut, WorkloadAsSeen, Remembered> = {
  is: 'versioned',
  async done(run) {
    const { replicas } = run.step.parameters
    const seen =
      (await sleeping(run, replicas)) ??
      (await crashed(run)) ??
      (await rollout(kubernetesOf(run), run.component, replicas, run.signal))
    if (!run.applied || seen.is !== 'pending' || seen.due === undefined || seen.revertedBy !== undefined) return seen
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null) return seen
    // As soon as the workload runs, its autoscaler says how many it needs.
    if (view.declared > 0 && view.scaledBy !== null && isAutoscaler(view.scaledBy))
      return rollout(kubernetesOf(run), run.component, null, run.signal)
    return { ...seen, revertedBy: view.scaledBy ?? 'another manager' }
  },
  async apply(run, seen) {
    if (seen.due === 'crashed') await removeCrashed(run)
    else await scale(run, run.step.parameters.replicas ?? (await declaredReplicas(run)), seen)
  },
  changes: watchWorkload,
  invalidate: invalidateWorkload,
  back: { is: 'irreversible' },
}

export const start: Action<HelmReleaseSpec, Start, RolledOut> = {
  name: 'start',
  parameters: parametersOf<Start>({ replicas: orNull(NUMBER) }),
  varies: { replicas: replicasVary },
  behaviour: starting,
  byHand: startByHand,
}

/** The failure when another manager has changed a number back that this run set. `so`: the consequence, as text. */
export function scaledByOthers(run: ReleaseRun, view: SeenWorkload, set: number, so = ''): Seen<never, never> {
  const { kind, name } = run.component.spec.workload
  return {
    is: 'failed',
    code: 'reverted-by-others',
    why: `${view.scaledBy ?? 'another manager'} has changed spec.replicas of ${kind}/${name} on ${siteOf(run)} back to ${view.declared}, a moment after it was set to ${set}${so}`,
    next: `${view.pause ?? 'Find out which controller keeps this object, and pause it'}, then make a new plan. docs/gitops.md says how both live together.`,
  }
}

/**
 * The kubelet restarts pods that crashed before this step began, because something that they need was missing, only
 * after minutes. They are replaced by new ones, which are ready in seconds. Later crashes are judged by the rollout.
 * Null where there is no such pod.
 */
async function crashed(run: ScaleRun): Promise<Seen<never, WorkloadAsSeen> | null> {
  if (run.memory.value === 'may-not-remove') return null
  const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
  const pods = await crashedPods(run)
  if (view === null || view.declared === 0 || pods.length === 0) return null
  const names = pods.map(({ metadata }) => metadata.name).join(', ')
  return {
    is: 'pending',
    waitingFor: `${names}, which crashed before, to make way for new ones`,
    due: { ...view.seen, due: 'crashed' },
    revertedBy: 'a crash of before',
  }
}

async function crashedPods(run: ScaleRun): Promise<KubernetesObject[]> {
  const pods = (await podsOf(kubernetesOf(run), run.component, run.signal)) ?? []
  return pods.filter((pod) => waitsAfterCrash(pod) && (pod.metadata.creationTimestamp ?? '') < run.begunAt)
}

/** A pod is deleted by its uid, so that its successor is left alone. */
async function removeCrashed(run: ScaleRun): Promise<void> {
  const { namespace } = run.component.spec
  const remove = async (): Promise<void> => {
    for (const { metadata } of await crashedPods(run)) {
      const only = metadata.uid === undefined ? {} : { uid: metadata.uid }
      await kubernetesOf(run).remove(
        { ...POD, namespace, name: metadata.name },
        { ...only, gracePeriod: 0, signal: run.signal },
      )
    }
  }
  await unlessForbidden(remove, ({ message, next = '' }) => {
    run.memory.set('may-not-remove')
    run.context.log.warning(`${run.step.id}: waits for crashed pods as long as the kubelet does: ${message}. ${next}`)
  })
}

/** Pending while a workload that is to run, with an unknown number of replicas, is still at zero; null otherwise. */
async function sleeping(run: ScaleRun, planned: number | null): Promise<Seen<never, WorkloadAsSeen> | null> {
  if (planned !== null) return null
  const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
  return view?.declared === 0
    ? { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled up`, due: view.seen }
    : null
}

/**
 * The replicas of the release for an active site; one where the chart cannot be rendered, such as when its repository
 * is lost as well.
 */
export async function declaredReplicas(run: ReleaseRun): Promise<number> {
  const context = { ...run.context, signal: run.signal }
  const ask = (): Promise<number> =>
    withHelm(siteOf(run), context, (helm) => replicasOfRole(helm, run.component, 'active', context))
  try {
    return await ask().catch((error: unknown) => {
      run.signal.throwIfAborted()
      // Users wait: after an error that may pass it asks once more, and not until the deadline.
      if (asStandbyError(error).retry === 'never') throw error
      return ask()
    })
  } catch (error) {
    run.signal.throwIfAborted()
    context.log.warning(
      `${run.step.id}: one replica, because its chart cannot be rendered: ${asStandbyError(error).message}`,
    )
    return 1
  }
}

/** Throws `kubernetes-conflict` where the workload is not as it was seen. */
export async function scale(run: ReleaseRun, replicas: number, seen: AsSeen): Promise<void> {
  await kubernetesOf(run).patch(
    workloadRef(run.component),
    { spec: { replicas } },
    { subresource: 'scale', ...ifUnchanged(run, seen) },
  )
}

/** Bumps the version of the workload, so that in-flight scales of an earlier process fail their precondition. */
export function invalidateWorkload(run: ReleaseRun): Promise<void> {
  return invalidateObject(kubernetesOf(run), workloadRef(run.component), run.signal)
}

/** The workload itself does not change when its last pod goes. */
export function watchPods(run: ReleaseRun): AsyncIterable<unknown> {
  return podChanges(kubernetesOf(run), run.component, run.signal)
}

export function watchWorkload(run: ReleaseRun): AsyncIterable<unknown> {
  return kubernetesOf(run).watch(workloadRef(run.component), run.signal)
}
