import type { Role } from '../../driver/deployment.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { declaredReplicas, scale } from './scale.ts'
import type { ReleaseRun } from './spec.ts'
import { readWorkload } from './workload.ts'

/**
 * For the steps after the start: where another controller stops the application of the new site, or starts that of the
 * old one, the value is set again each time, because the move can only go forward. Any other number of replicas that
 * serve is left alone, and so is an application that a guard has stopped.
 */
export const setAgain = <Run extends ReleaseRun>(
  roleOf: (run: Run) => Role,
): { readonly every: Milliseconds; send(run: Run): Promise<void> } => ({
  every: seconds(2),
  async send(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    const serves = roleOf(run) === 'active'
    if (view === null || view.scaledBy === null || serves === view.declared > 0) return
    const replicas = serves ? await declaredReplicas(run) : 0
    const { kind, name } = run.component.spec.workload
    run.context.log.warning(
      `${run.step.id}: ${view.scaledBy} has scaled ${kind}/${name} on ${siteOf(run)} to ${view.declared}; it is set to ${replicas} again. ${view.pause ?? 'Find out which controller keeps this object, and pause it'}`,
    )
    await scale(run, replicas, view.seen)
  },
})
