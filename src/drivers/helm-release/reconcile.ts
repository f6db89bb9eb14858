import type { PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour, Role } from '../../driver/driver.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { minutes, seconds } from '../../duration.ts'
import { differences, upgrade } from './deploy.ts'
import { withHelm } from './helm.ts'
import { type Run, step } from './scale.ts'
import { setAgain } from './set-again.ts'
import type { Application, HelmReleaseSpec } from './spec.ts'
import { readWorkload, rollout } from './workload.ts'

/** Makes the release of a site say what is true, so that the next deploy finds nothing to do. */
export function reconcileStep(component: Application, site: SiteName, role: Role): PlannedStep {
  return step(component, 'reconcile', site, {
    phase: 'PROTECT',
    title: `Gives the release ${component.spec.release} on ${site} the values of the ${role} role`,
    deadline: minutes(15),
    expected: seconds(6),
    parameters: { role },
  })
}

const roleOf = (run: Run): Role => (run.step.parameters.role === 'active' ? 'active' : 'passive')

export const reconcile: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const role = roleOf(run)
    const kubernetes = kubernetesOf(run)
    // What runs on a passive site may never become ready there: it is ended, and not waited for.
    const awake = role === 'passive' && ((await readWorkload(kubernetes, run.component, run.signal))?.declared ?? 0) > 0
    const rolled = awake ? null : await rollout(kubernetes, run.component, null, run.signal)
    if (rolled !== null && rolled.is !== 'done') return rolled
    const changes = await withHelm(siteOf(run), { ...run.context, signal: run.signal }, (helm) =>
      differences(helm, run.component, role, siteOf(run), run.context),
    )
    return changes.length === 0
      ? { is: 'done', proof: { role, ...rolled?.proof } }
      : {
          is: 'pending',
          waitingFor: `the release to have the values of the ${role} role (${changes[0]?.object} ${changes[0]?.path ?? ''})`,
        }
  },
  apply: (run) => upgrade(run.component, roleOf(run), siteOf(run), { ...run.context, signal: run.signal }),
  reminder: setAgain(roleOf),
}
