import { minutes, seconds } from '../../duration.ts'
import type { Behaviour, StepRun } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { type Application, type HelmReleaseSpec, workloadRef } from './spec.ts'
import { podsOf, readWorkload, rollout } from './workload.ts'

export type Run = StepRun<HelmReleaseSpec>

export function siteOf(run: Run): SiteName {
  if (run.step.site === null) throw new Error(`${run.step.id} names no site`)
  return run.step.site
}
export const kubernetesOf = (run: Run) => run.context.kubernetes(siteOf(run))

/** Nobody of the old site writes any more: proven by the absence of pods. */
export function stopStep(component: Application, intent: Intent, replicas: number): PlannedStep {
  return step(component, 'stop', intent.from, {
    phase: 'DRAIN',
    title: `Stops ${component.spec.workload.name} on ${intent.from} and waits until no pod of it is left`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { before: replicas },
  })
}

/** The declared truth stays in the values of each role; a scale is the quick way to it, a later step makes the release say the same. */
export function startStep(component: Application, intent: Intent, replicas: number): PlannedStep {
  return step(component, 'start', intent.to, {
    phase: 'START',
    title: `Starts ${component.spec.workload.name} on ${intent.to} and waits until every replica is ready`,
    deadline: minutes(10),
    expected: seconds(4),
    parameters: { replicas },
  })
}

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
    if (view !== null && view.declared !== 0) return { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled to 0` }
    const pods = await podsOf(kubernetesOf(run), run.component, run.signal)
    return pods.length === 0
      ? { is: 'done', proof: { replicas: 0, pods: 0 } }
      : { is: 'pending', waitingFor: `${pods.length} pod${pods.length === 1 ? '' : 's'} of ${run.component.spec.workload.name} to end` }
  },
  apply: (run) => scale(run, 0),
  changes: watchWorkload,
  undo: (run) => scale(run, Number(run.step.parameters.before)),
}

export const start: Behaviour<HelmReleaseSpec> = {
  done: (run) => rollout(kubernetesOf(run), run.component, Number(run.step.parameters.replicas), run.signal),
  apply: (run) => scale(run, Number(run.step.parameters.replicas)),
  changes: watchWorkload,
}

async function scale(run: Run, replicas: number): Promise<void> {
  await kubernetesOf(run).patch(workloadRef(run.component), { spec: { replicas } }, { subresource: 'scale', signal: run.signal })
}

function watchWorkload(run: Run): AsyncIterable<unknown> {
  return kubernetesOf(run).watch(workloadRef(run.component), run.signal)
}
