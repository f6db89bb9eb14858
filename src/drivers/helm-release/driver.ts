import type { CredentialUse } from '../../domain/identities.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import { accessOf, claimsOf, filesOf, problemsOf } from './access.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { deployRelease } from './deploy.ts'
import { identity, recordIdentity } from './identity.ts'
import { fenceSteps, moves } from './move.ts'
import { type HelmReleaseState, observeRelease } from './observe.ts'
import { pullImages } from './pull-images.ts'
import { reconcile } from './reconcile.ts'
import { testRestored } from './restore-test.ts'
import { start, stop } from './scale.ts'
import { endLook, secondLook } from './second-look.ts'
import { type Canary, type HelmReleaseSpec, helmReleaseSchema } from './spec.ts'

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
  credentials: ({ spec: { canary } }) => (canary === undefined ? [] : canaryUses(canary)),
  observe: observeRelease,
  assess: assessment,
  deploys: { deploy: deployRelease },
  moves,
  fences: { levels: () => ['application'], steps: fenceSteps },
  // It holds no data of its own: its restore test starts it on the restored copies of others.
  backups: { restoreTest: testRestored },
  actions: [recordIdentity, pullImages, secondLook, endLook, stop, start, identity, reconcile],
}

/** A move and a restore test read the canary; an identity that only observes names it where it can. */
function canaryUses({ credentials: { clientId, clientSecret }, project, sha256 }: Canary): CredentialUse[] {
  const because = 'reads the canary secret of the application'
  return [clientId, clientSecret, project, sha256].flatMap((reference): CredentialUse[] => [
    { reference, identities: ['mover', 'restore-tester'], because },
    { reference, identities: ['observer', 'deployer'], because, optional: true },
  ])
}
