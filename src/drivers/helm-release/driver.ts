import type { Driver } from '../../planning/driver.ts'
import { accessOf, claimsOf, filesOf, problemsOf } from './access.ts'
import { deployRelease } from './deploy.ts'
import { identity, identityStep, remember, rememberStep } from './identity.ts'
import { assessRelease, type HelmReleaseState, observeRelease } from './observe.ts'
import { reconcile, reconcileSteps } from './reconcile.ts'
import { testRestored } from './restore-test.ts'
import { start, startStep, stop, stopStep } from './scale.ts'
import { type HelmReleaseSpec, helmReleaseSchema } from './spec.ts'

/** An application from a Helm chart: stopped before the data moves, started and asked who it is afterwards. */
export const helmRelease: Driver<HelmReleaseSpec, HelmReleaseState> = {
  kind: 'helm-release',
  scope: 'site',
  schema: helmReleaseSchema,
  files: filesOf,
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeRelease,
  assess: assessRelease,
  deploy: deployRelease,
  move(component, states, intent) {
    const seen = states[intent.from]
    // As many replicas as served before; the values of the role decide again afterwards.
    const replicas = seen?.kind === 'answering' ? Math.max(1, seen.state.workload.declared) : 1
    return [
      rememberStep(component, intent),
      stopStep(component, intent, replicas),
      startStep(component, intent, replicas),
      identityStep(component, intent),
      ...reconcileSteps(component, intent),
    ]
  },
  behaviours: { remember, stop, start, identity, reconcile },
  restoreTest: testRestored,
}
