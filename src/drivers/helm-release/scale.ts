import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Intent, Phase, PlannedStep } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour, StepRun } from '../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import type { Varies } from '../../driver/varying.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { onlyAsSeen, touchObject } from '../../platform/kubernetes/compare-and-set.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import type { Json } from '../../values/json.ts'
import { replicasOfRole } from './deploy.ts'
import { withHelm } from './helm.ts'
import { type Application, type HelmReleaseSpec, workloadRef } from './spec.ts'
import {
  mayStillRun,
  POD,
  podChanges,
  podsOf,
  readWorkload,
  rollout,
  type SeenWorkload,
  waitsAfterCrash,
} from './workload.ts'

export type Run = StepRun<HelmReleaseSpec>

/**
 * Nobody of the site writes any more: proven by pods that are gone, or whose containers have all ended. `before` comes
 * back when the move is taken back; null: what its release says.
 */
export function stopStep(
  component: Application,
  site: SiteName,
  stop: { readonly phase: Phase; readonly before: number | null; readonly deadline?: Milliseconds },
): PlannedStep {
  return step(component, 'stop', site, {
    phase: stop.phase,
    fence: 'application',
    title: `Stops ${component.spec.workload.name} on ${site} and waits until no pod of it runs`,
    deadline: stop.deadline ?? minutes(5),
    expected: seconds(2),
    parameters: { before: stop.before },
  })
}

/**
 * The declared truth stays in the values of each role; a scale is the quick way to it, a later step makes the release
 * say the same. Without a number, where nobody can be asked how many served before, the values of the active role say
 * it.
 */
export function startStep(component: Application, intent: Intent, replicas: number | null): PlannedStep {
  return step(component, 'start', intent.to, {
    phase: 'START',
    title: `Starts ${component.spec.workload.name} on ${intent.to} and waits until every replica is ready`,
    deadline: minutes(10),
    expected: seconds(4),
    parameters: { replicas },
  })
}

/**
 * An autoscaler changes it within these bounds while people decide; and nobody knows it where a lost site is silent.
 */
const MOST_TIMES = 10
const MOST_UNSEEN = 100
export const replicasVary: Varies = (planned, now) => {
  const most = typeof now === 'number' ? MOST_TIMES * now : MOST_UNSEEN
  return isCount(now) && isCount(planned) && (planned === null || planned <= most)
}
const isCount = (value: Json | undefined): value is number | null =>
  value === null || (typeof value === 'number' && Number.isInteger(value) && value > 0)

export function step(
  component: Application,
  action: string,
  site: SiteName,
  rest: Pick<PlannedStep, 'phase' | 'title' | 'deadline' | 'expected' | 'parameters'> & Partial<PlannedStep>,
): PlannedStep {
  return {
    id: `${component.name}.${action}@${site}`,
    component: component.name,
    action,
    site,
    needs: [],
    irreversible: false,
    ...rest,
  }
}

export const stop: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view !== null && view.declared !== 0) {
      // Doors are closed: a switchover goes back at once, as long as it can. What serves a lost site, or one that its
      // guard shuts, is stopped again and again.
      if (run.applied && run.intent?.mode === 'switchover' && run.pastReturn !== true)
        return scaledByOthers(run, view, 0)
      const again = run.applied ? { takenBackBy: view.scaledBy ?? 'another manager' } : {}
      return {
        is: 'pending',
        waitingFor: `${run.component.spec.workload.name} to be scaled to 0`,
        restsOn: view.seen,
        ...again,
      }
    }
    const pods = await podsOf(kubernetesOf(run), run.component, run.signal)
    if (pods === null)
      return {
        is: 'unknown',
        why: `the selector of ${run.component.spec.workload.name} can not be asked for: nobody sees whether pods are left`,
      }
    const left = pods.filter(mayStillRun).length
    return left === 0
      ? { is: 'done', proof: { replicas: 0, pods: 0 } }
      : {
          is: 'pending',
          waitingFor: `${left} pod${left === 1 ? '' : 's'} of ${run.component.spec.workload.name} to end`,
        }
  },
  apply: (run) => scale(run, 0),
  changes: watchPods,
  async undo(run) {
    if (!(await removeCrashed(run))) await scale(run, planned(run, 'before') ?? (await declaredReplicas(run)))
  },
  touch: touchWorkload,
  async undone(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null) return { is: 'done', proof: { replicas: null } }
    const before = planned(run, 'before')
    // A site that was half lost when this began need not serve now; it has what it had.
    if (run.intent?.mode !== 'failover') {
      // Another number of somebody who keeps it is not fought over: users are served by it.
      const wanted = view.declared > 0 && view.scaledBy !== null ? null : before
      return (
        (await sleeping(run, 'before')) ??
        (await crashed(run)) ??
        rollout(kubernetesOf(run), run.component, wanted, run.signal)
      )
    }
    return (before === null ? view.declared > 0 : view.declared === before)
      ? { is: 'done', proof: { replicas: view.declared } }
      : {
          is: 'pending',
          waitingFor: `${run.component.spec.workload.name} to be scaled to ${before ?? 'what its release says'}`,
          restsOn: view.seen,
        }
  },
}

export const start: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const progress =
      (await sleeping(run, 'replicas')) ??
      (await crashed(run)) ??
      (await rollout(kubernetesOf(run), run.component, planned(run, 'replicas'), run.signal))
    if (
      !run.applied ||
      progress.is !== 'pending' ||
      progress.restsOn === undefined ||
      progress.takenBackBy !== undefined
    )
      return progress
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null) return progress
    // As soon as the workload runs, its autoscaler says how many it needs.
    if (view.declared > 0 && view.scaledBy !== null && isAutoscaler(view.scaledBy))
      return rollout(kubernetesOf(run), run.component, null, run.signal)
    return { ...progress, takenBackBy: view.scaledBy ?? 'another manager' }
  },
  async apply(run) {
    if (!(await removeCrashed(run))) await scale(run, planned(run, 'replicas') ?? (await declaredReplicas(run)))
  },
  changes: watchWorkload,
  touch: touchWorkload,
}

/** A number that this run has set, and that somebody else has written back. `so`: what follows. */
export function scaledByOthers(run: Run, view: SeenWorkload, set: number, so = ''): Progress {
  const { kind, name } = run.component.spec.workload
  return {
    is: 'failed',
    code: 'reverted-by-others',
    why: `${view.scaledBy ?? 'another manager'} has changed spec.replicas of ${kind}/${name} on ${siteOf(run)} back to ${view.declared}, a moment after it was set to ${set}${so}`,
    next: `${view.pause ?? 'Find out who keeps this object, and pause it'}, then make a new plan. docs/gitops.md says how both live together.`,
  }
}

/**
 * Pods that crashed before this step began, because what they need was not there, are started again only after minutes:
 * they make way for new ones, which are ready in seconds. One that crashes from now on is judged by the rollout. Null
 * where there is none.
 */
async function crashed(run: Run): Promise<Progress | null> {
  if (mayNotRemove.has(run.signal)) return null
  const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
  const pods = await crashedPods(run)
  if (view === null || view.declared === 0 || pods.length === 0) return null
  const names = pods.map(({ metadata }) => metadata.name).join(', ')
  return {
    is: 'pending',
    waitingFor: `${names}, which crashed before, to make way for new ones`,
    restsOn: { ...view.seen, due: 'crashed' },
    takenBackBy: 'a crash of before',
  }
}

async function crashedPods(run: Run): Promise<KubernetesObject[]> {
  const pods = (await podsOf(kubernetesOf(run), run.component, run.signal)) ?? []
  return pods.filter((pod) => waitsAfterCrash(pod) && (pod.metadata.creationTimestamp ?? '') < run.begunAt)
}

/**
 * Whether crashed pods were what was due, and are removed. A pod is deleted by its uid: its successor is another one.
 */
async function removeCrashed(run: Run): Promise<boolean> {
  if (run.restsOn?.due !== 'crashed') return false
  const { namespace } = run.component.spec
  try {
    for (const { metadata } of await crashedPods(run)) {
      const only = metadata.uid === undefined ? {} : { uid: metadata.uid }
      await kubernetesOf(run).remove(
        { ...POD, namespace, name: metadata.name },
        { ...only, gracePeriod: 0, signal: run.signal },
      )
    }
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.code !== 'kubernetes-forbidden') throw reason
    mayNotRemove.add(run.signal)
    run.context.log.warning(
      `${run.step.id}: waits for crashed pods as long as the kubelet does: ${reason.message}. ${reason.next ?? ''}`,
    )
  }
  return true
}
/** The running steps whose identity may not remove pods. */
const mayNotRemove = new WeakSet<AbortSignal>()

/** Whether a workload that shall run, with a number that nobody knows, is still at zero; null when it is not. */
async function sleeping(run: Run, name: 'before' | 'replicas'): Promise<Progress | null> {
  if (planned(run, name) !== null) return null
  const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
  return view?.declared === 0
    ? { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled up`, restsOn: view.seen }
    : null
}

/** A number that the step was planned with; null where it was not known. */
export function planned(run: Run, name: 'before' | 'replicas'): number | null {
  const value = run.step.parameters[name]
  return typeof value === 'number' ? value : null
}

/**
 * What the release says for an active site; one where it can not be asked, such as with a chart repository that was
 * lost as well.
 */
export async function declaredReplicas(run: Run): Promise<number> {
  const context = { ...run.context, signal: run.signal }
  try {
    return await withHelm(siteOf(run), context, (helm) => replicasOfRole(helm, run.component, 'active', context))
  } catch (error) {
    run.signal.throwIfAborted()
    context.log.warning(
      `${run.step.id}: one replica, because its chart can not be rendered: ${asStandbyError(error).message}`,
    )
    return 1
  }
}

export async function scale(run: Run, replicas: number): Promise<void> {
  await kubernetesOf(run).patch(
    workloadRef(run.component),
    { spec: { replicas } },
    { subresource: 'scale', ...onlyAsSeen(run) },
  )
}

export function touchWorkload(run: Run): Promise<void> {
  return touchObject(kubernetesOf(run), workloadRef(run.component), run.signal)
}

/** The last pod goes without a word of its workload. */
export function watchPods(run: Run): AsyncIterable<unknown> {
  return podChanges(kubernetesOf(run), run.component, run.signal)
}

export function watchWorkload(run: Run): AsyncIterable<unknown> {
  return kubernetesOf(run).watch(workloadRef(run.component), run.signal)
}
