import type { PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import type { Change, Role } from '../../driver/deployment.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { differences, putToSleep, upgrade, workloadName } from './deploy.ts'
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

/** Values of the passive role that ask for replicas: a move leaves the workload asleep all the same. */
const wakes = ({ object, path, from }: Change, component: Application): boolean =>
  path === 'spec.replicas' && from === 0 && object === workloadName(component)

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
    const [due] = role === 'passive' ? changes.filter((change) => !wakes(change, run.component)) : changes
    if (due !== undefined)
      return {
        is: 'pending',
        waitingFor: `the release to have the values of the ${role} role (${due.object} ${due.path ?? ''})`,
      }
    // Its values may say no number, or another than none: what is proven is that nothing runs there.
    return awake
      ? { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled to 0` }
      : { is: 'done', proof: { role, ...rolled?.proof } }
  },
  async apply(run) {
    const context = { ...run.context, signal: run.signal }
    await upgrade(run.component, roleOf(run), siteOf(run), context)
    if (roleOf(run) === 'passive') await putToSleep(run.component, siteOf(run), context, 'whatever its values say')
  },
  reminder: setAgain(roleOf),
}
