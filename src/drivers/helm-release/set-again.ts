import type { Behaviour } from '../../driver/behaviour.ts'
import type { Role } from '../../driver/deployment.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { seconds } from '../../values/duration.ts'
import { declaredReplicas, type Run } from './scale.ts'
import { type HelmReleaseSpec, workloadRef } from './spec.ts'
import { readWorkload } from './workload.ts'

/**
 * For steps that come after the start: another controller that takes the application of the new site away, or wakes
 * that of the old one, is answered each time, for nothing goes back any more. Another number of replicas that serve is
 * left alone, and so is what a guard has stopped.
 */
export const setAgain = (roleOf: (run: Run) => Role): NonNullable<Behaviour<HelmReleaseSpec>['reminder']> => ({
  every: seconds(2),
  async remind(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    const serves = roleOf(run) === 'active'
    if (view === null || view.scaledBy === null || serves === view.declared > 0) return
    const replicas = serves ? await declaredReplicas(run) : 0
    const { kind, name } = run.component.spec.workload
    run.context.log.warning(
      `${run.step.id}: ${view.scaledBy} has scaled ${kind}/${name} on ${siteOf(run)} to ${view.declared}; it is set to ${replicas} again. ${view.pause ?? 'Find out who keeps this object, and pause it'}`,
    )
    const { resourceVersion } = view.seen
    await kubernetesOf(run).patch(
      workloadRef(run.component),
      { spec: { replicas } },
      { subresource: 'scale', resourceVersion: String(resourceVersion), signal: run.signal },
    )
  },
})
