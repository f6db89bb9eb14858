import type { CredentialUse } from '../../domain/identities.ts'
import type { Driver } from '../../driver/driver.ts'
import { accessOf, claimsOf, filesOf, problemsOf } from './access.ts'
import { assessRelease } from './assess.ts'
import { deployRelease } from './deploy.ts'
import { identity, remember } from './identity.ts'
import { fenceSteps, moveSteps, rejoinSteps, reopenSteps } from './move.ts'
import { type HelmReleaseState, observeRelease } from './observe.ts'
import { pullImages } from './pull-images.ts'
import { reconcile } from './reconcile.ts'
import { testRestored } from './restore-test.ts'
import { manualStep } from './runbook.ts'
import { replicasVary, start, stop } from './scale.ts'
import { endLook, secondLook } from './second-look.ts'
import { type Canary, type HelmReleaseSpec, helmReleaseSchema } from './spec.ts'

/** An application from a Helm chart: stopped before the data moves, started and asked who it is afterwards. */
export const helmRelease: Driver<HelmReleaseSpec, HelmReleaseState> = {
  kind: 'helm-release',
  scope: 'site',
  schema: helmReleaseSchema,
  files: filesOf,
  claims: claimsOf,
  validate: problemsOf,
  reaches: () => ['application'],
  access: accessOf,
  credentials: ({ spec: { canary } }) => (canary === undefined ? [] : canaryUses(canary)),
  observe: observeRelease,
  assess: assessRelease,
  deploy: deployRelease,
  move: moveSteps,
  fence: fenceSteps,
  rejoin: rejoinSteps,
  reopen: reopenSteps,
  manual: manualStep,
  varying: {
    'second-look': { before: replicasVary },
    stop: { before: replicasVary },
    start: { replicas: replicasVary },
  },
  behaviours: {
    remember,
    'pull-images': pullImages,
    'second-look': secondLook,
    'end-look': endLook,
    stop,
    start,
    identity,
    reconcile,
  },
  restoreTest: testRestored,
}

/** A move and a restore test read the canary; who only looks names it where it can. */
function canaryUses({ credentials: { clientId, clientSecret }, project, sha256 }: Canary): CredentialUse[] {
  const because = 'reads the canary secret of the application'
  return [clientId, clientSecret, project, sha256].flatMap((reference): CredentialUse[] => [
    { reference, identities: ['mover', 'restore-tester'], because },
    { reference, identities: ['observer', 'deployer'], because, optional: true },
  ])
}
