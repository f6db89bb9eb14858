import type { SiteDriver } from '../../driver/capabilities.ts'
import { canaryUses } from '../../systems/application/declaration.ts'
import { copiesIn } from '../../systems/application/restored-endpoint.ts'
import { accessOf, claimsOf, filesOf, problemsOf } from './access.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { deployRelease } from './deploy.ts'
import { identity } from './identity.ts'
import { fenceSteps, moves } from './move.ts'
import { type HelmReleaseState, observeRelease } from './observe.ts'
import { pullImages } from './pull-images.ts'
import { reconcile } from './reconcile.ts'
import { testRestored } from './restore-test.ts'
import { start, stop } from './scale.ts'
import { endLook, secondLook } from './second-look.ts'
import { type HelmReleaseSpec, helmReleaseSchema } from './spec.ts'

/** An application from a Helm chart: stopped before the data moves, then started and checked for its identity. */
export const helmRelease: SiteDriver<HelmReleaseSpec, HelmReleaseState> = {
  kind: 'helm-release',
  scope: 'site',
  standsOn: 'kubernetes',
  schema: helmReleaseSchema,
  codes,
  files: filesOf,
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  credentials: ({ spec }) => canaryUses(spec),
  observe: observeRelease,
  assess: assessment,
  deploys: { deploy: deployRelease },
  moves,
  fences: { levels: () => ['application'], steps: fenceSteps },
  // It holds no data of its own: its restore test starts it on the restored copies of others.
  backups: { readsCopies: ({ spec }) => copiesIn(spec.restoreTest?.environment), restoreTest: testRestored },
  actions: [identity.record, pullImages, secondLook, endLook, stop, start, identity.compare, reconcile],
}
