import { identityByHand } from '../../systems/application/identity-by-hand.ts'
import { identityActions, type ProvedApplication } from '../../systems/application/prove-identity.ts'
import { tryCanary } from './canary.ts'
import { codes } from './codes.ts'
import { nameOf, type SystemdSpec } from './spec.ts'

/** The application of units proves that it is the same instance; its canary is read on one of its hosts. */
export const provedApplication: ProvedApplication<SystemdSpec> = {
  codes,
  nameOf,
  tryCanary,
  byHand: identityByHand(),
}

export const identity = identityActions(provedApplication)
