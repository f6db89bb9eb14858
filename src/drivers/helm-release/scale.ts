import type { Milliseconds } from '../../duration.ts'
import { minutes, seconds } from '../../duration.ts'
import { asStandbyError } from '../../errors.ts'
import type { Json } from '../../json.ts'
import type { Behaviour, Progress, StepRun, Varies } from '../../planning/driver.ts'
import type { Intent, Phase, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { onlyAsSeen, touchObject } from '../compare-and-set.ts'
import { kubernetesOf, siteOf } from '../site-of-step.ts'
import { replicasOfRole } from './deploy.ts'
import { withHelm } from './helm.ts'
import { type Application, type HelmReleaseSpec, workloadRef } from './spec.ts'
import { mayStillRun, podChanges, podsOf, readWorkload, rollout } from './workload.ts'

export type Run = StepRun<HelmReleaseSpec>

/**
 * Nobody of the site writes any more: proven by pods that are gone, or whose containers have all ended. `before` comes back when the move is taken
 * back; null: what its release says.
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
 * The declared truth stays in the values of each role; a scale is the quick way to it, a later step makes the release say the same.
 * Without a number, where nobody can be asked how many served before, the values of the active role say it.
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

/** An autoscaler changes it within these bounds while people decide; and nobody knows it where a lost site is silent. */
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
  return { id: `${component.name}.${action}@${site}`, component: component.name, action, site, needs: [], irreversible: false, ...rest }
}

export const stop: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view !== null && view.declared !== 0)
      return { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled to 0`, restsOn: view.seen }
    const pods = await podsOf(kubernetesOf(run), run.component, run.signal)
    if (pods === null)
      return {
        is: 'unknown',
        why: `the selector of ${run.component.spec.workload.name} can not be asked for: nobody sees whether pods are left`,
      }
    const left = pods.filter(mayStillRun).length
    return left === 0
      ? { is: 'done', proof: { replicas: 0, pods: 0 } }
      : { is: 'pending', waitingFor: `${left} pod${left === 1 ? '' : 's'} of ${run.component.spec.workload.name} to end` }
  },
  apply: (run) => scale(run, 0),
  changes: watchPods,
  undo: async (run) => scale(run, planned(run, 'before') ?? (await declaredReplicas(run))),
  touch: touchWorkload,
  async undone(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null) return { is: 'done', proof: { replicas: null } }
    const before = planned(run, 'before')
    // A site that was half lost when this began need not serve now; it has what it had.
    if (run.intent?.mode !== 'failover')
      return (await sleeping(run, 'before')) ?? rollout(kubernetesOf(run), run.component, before, run.signal)
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
    return (await sleeping(run, 'replicas')) ?? rollout(kubernetesOf(run), run.component, planned(run, 'replicas'), run.signal)
  },
  apply: async (run) => scale(run, planned(run, 'replicas') ?? (await declaredReplicas(run))),
  changes: watchWorkload,
  touch: touchWorkload,
}

/** Whether a workload that shall run, with a number that nobody knows, is still at zero; null when it is not. */
async function sleeping(run: Run, name: 'before' | 'replicas'): Promise<Progress | null> {
  if (planned(run, name) !== null) return null
  const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
  return view?.declared === 0
    ? { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled up`, restsOn: view.seen }
    : null
}

/** A number that the step was planned with; null where it was not known. */
function planned(run: Run, name: 'before' | 'replicas'): number | null {
  const value = run.step.parameters[name]
  return typeof value === 'number' ? value : null
}

/** What the release says for an active site; one where it can not be asked, such as with a chart repository that was lost as well. */
async function declaredReplicas(run: Run): Promise<number> {
  const context = { ...run.context, signal: run.signal }
  try {
    return await withHelm(siteOf(run), context, (helm) => replicasOfRole(helm, run.component, 'active', context))
  } catch (error) {
    run.signal.throwIfAborted()
    context.log.warning(`${run.step.id}: one replica, because its chart can not be rendered: ${asStandbyError(error).message}`)
    return 1
  }
}

async function scale(run: Run, replicas: number): Promise<void> {
  await kubernetesOf(run).patch(workloadRef(run.component), { spec: { replicas } }, { subresource: 'scale', ...onlyAsSeen(run) })
}

function touchWorkload(run: Run): Promise<void> {
  return touchObject(kubernetesOf(run), workloadRef(run.component), run.signal)
}

/** The last pod goes without a word of its workload. */
function watchPods(run: Run): AsyncIterable<unknown> {
  return podChanges(kubernetesOf(run), run.component, run.signal)
}

function watchWorkload(run: Run): AsyncIterable<unknown> {
  return kubernetesOf(run).watch(workloadRef(run.component), run.signal)
}
