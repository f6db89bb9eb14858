import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { identityByHand } from '../../systems/application/identity-by-hand.ts'
import { identityActions, type ProvedApplication } from '../../systems/application/prove-identity.ts'
import { tryCanary } from './canary.ts'
import { codes } from './codes.ts'
import { setAgain } from './set-again.ts'
import type { HelmReleaseSpec } from './spec.ts'

/** The application of a release proves that it is the same instance; its canary is read in one of its pods. */
export const provedApplication: ProvedApplication<HelmReleaseSpec> = {
  codes,
  nameOf: ({ spec }) => spec.release,
  tryCanary: (component, site, context) => tryCanary(component, context.platform(KUBERNETES, site), site, context),
  nudge: setAgain(() => 'active'),
  byHand: identityByHand(),
}

export const identity = identityActions(provedApplication)
