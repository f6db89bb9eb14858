import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain } from '../../driver/behaviour.ts'
import type { Change, Role } from '../../driver/deployment.ts'
import type { Proof } from '../../driver/proofs.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { differences, putToSleep, upgrade, workloadName } from './deploy.ts'
import { withHelm } from './helm.ts'
import type { Reconcile } from './parameters.ts'
import { reconcileByHand } from './runbook.ts'
import { setAgain } from './set-again.ts'
import type { Application, HelmReleaseSpec } from './spec.ts'
import { type RolledOut, readWorkload, rollout } from './workload.ts'

/** Gives the release of a site the values of its role, so that the next deploy finds nothing to do. */
export const reconcileStep = (component: Application, site: SiteName, role: Role): DriverStep<Reconcile> =>
  planStep(reconcile, site, {
    phase: 'PROTECT',
    title: `Gives the release ${component.spec.release} on ${site} the values of the ${role} role`,
    deadline: minutes(15),
    expected: seconds(6),
    parameters: { role },
  })

interface Reconciled extends Proof, Partial<RolledOut> {
  readonly role: Role
}

/** Values of the passive role that ask for replicas: a move leaves the workload at zero anyway. */
const wakes = ({ object, path, from }: Change, component: Application): boolean =>
  path === 'spec.replicas' && from === 0 && object === workloadName(component)

/** helm compares no version of a release: the step looks whether an upgrade is due before it repeats one. */
const behaviour: Plain<HelmReleaseSpec, Reconcile, Reconciled> = {
  is: 'plain',
  async done(run) {
    const { role } = run.step.parameters
    const kubernetes = kubernetesOf(run)
    // Pods on a passive site may never become ready: they are ended, and not waited for.
    const awake = role === 'passive' && ((await readWorkload(kubernetes, run.component, run.signal))?.declared ?? 0) > 0
    const rolled = awake ? null : await rollout(kubernetes, run.component, null, run.signal)
    if (rolled?.is === 'pending') return { is: 'pending', waitingFor: rolled.waitingFor }
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
    // Its values may have no number, or one above zero: the proof is that nothing runs there.
    return awake
      ? { is: 'pending', waitingFor: `${run.component.spec.workload.name} to be scaled to 0` }
      : { is: 'done', proof: { role, ...rolled?.proof } }
  },
  async apply(run) {
    const { role } = run.step.parameters
    const context = { ...run.context, signal: run.signal }
    await upgrade(run.component, role, siteOf(run), context)
    if (role === 'passive') await putToSleep(run.component, siteOf(run), context, 'whatever its values say')
  },
  nudge: setAgain((run) => run.step.parameters.role),
  back: { is: 'irreversible' },
}

export const reconcile: Action<HelmReleaseSpec, Reconcile, Reconciled> = {
  name: 'reconcile',
  parameters: {
    type: 'object',
    required: ['role'],
    additionalProperties: false,
    properties: { role: { enum: ['active', 'passive'] } },
  },
  behaviour,
  byHand: reconcileByHand,
}
