import { isLogin } from '../../clients/object-store-client.ts'
import type { SpecProblem } from '../../domain/declaration.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import { certificatesOf, endpointProblems } from '../../witness/declared-endpoint.ts'
import { placeClaim } from '../../witness/s3/bucket-identity.ts'
import { accessOf } from './access.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { credentialUses } from './credential-uses.ts'
import { observeStore, type S3State } from './observe.ts'
import { probeUnit } from './probe.ts'
import { reach, reachStep } from './reach.ts'
import { locationOf, PROBE, type S3Site, type S3Spec, s3Schema } from './spec.ts'

/** Object storage of the sites: checks that it answers, keeps versions, and honours preconditions. */
export const s3: SiteDriver<S3Spec, S3State> = {
  kind: 's3',
  scope: 'site',
  standsOn: null,
  schema: s3Schema,
  codes,

  claims: (component) => [
    ...Object.entries(component.spec.sites).map(([site, declared]) => placeClaim(declared, ['sites', site, 'bucket'])),
    { key: `archive ${component.name}/`, below: PROBE, path: [] },
  ],

  files: ({ spec }) => Object.values(spec.sites).flatMap(certificatesOf),

  validate: ({ spec }) =>
    Object.entries(spec.sites).flatMap(([site, declared]): SpecProblem[] => [
      ...endpointProblems(declared, ['sites', site]),
      ...oneKindOfKeys(declared, ['sites', site, 'readCredentials']),
    ]),

  access: accessOf,

  credentials: (component) =>
    Object.entries(component.spec.sites).flatMap(([site, declared]) => credentialUses(site, declared)),
  store: { objectStore: locationOf },
  addresses: (component, site) => [locationOf(component, site).endpoint],
  observe: observeStore,
  assess: assessment,
  deploys: { deploy: async (component, site, _deployment, context) => [probeUnit(component, site, context)] },
  moves: { rejoin: (_component, _states, intent) => [reachStep(intent)] },
  actions: [reach],
}

/**
 * Both credentials of a store at one site must be of one kind: a pair of keys, a pair with a token, or the login of the
 * pods.
 */
const oneKindOfKeys = (
  { credentials, readCredentials = credentials }: S3Site,
  path: readonly string[],
): SpecProblem[] => {
  if (isLogin(credentials) || isLogin(readCredentials))
    return isLogin(credentials) === isLogin(readCredentials)
      ? []
      : [{ path, what: 'and credentials: both must be { login: aws }, or neither' }]
  return (credentials.sessionToken === undefined) === (readCredentials.sessionToken === undefined)
    ? []
    : [{ path, what: 'and credentials: both need a sessionToken, or neither' }]
}
