import { isLogin } from '../../clients/object-store-client.ts'
import type { SpecProblem } from '../../domain/declaration.ts'
import type { AccessRule } from '../../domain/identities.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, DeployUnit } from '../../driver/deployment.ts'
import type { Driver } from '../../driver/driver.ts'
import { minutes } from '../../values/duration.ts'
import { certificatesOf, certificatesWithoutTls, placeClaim, unencrypted } from '../../witness/s3/bucket-identity.ts'
import { noPreconditions, refused } from '../../witness/s3/refused.ts'
import { assessStores } from './assess.ts'
import { credentialUses } from './credential-uses.ts'
import { conditionalWritesIn, observeStore, type S3State } from './observe.ts'
import { reach, reachStep } from './reach.ts'
import { manualStep } from './runbook.ts'
import { locationOf, PROBE, PROBE_RESULT, type S3Site, type S3Spec, s3Schema } from './spec.ts'

/** Object storage of the sites: reachable, versioned, and honest about preconditions. */
export const s3: Driver<S3Spec, S3State> = {
  kind: 's3',
  scope: 'site',
  outside: true,
  schema: s3Schema,
  manual: manualStep,
  behaviours: { reach },

  claims: (component) => [
    ...Object.entries(component.spec.sites).map(([site, declared]) => placeClaim(declared, ['sites', site, 'bucket'])),
    { key: `archive ${component.name}/`, below: PROBE, path: [] },
  ],

  files: ({ spec }) => Object.values(spec.sites).flatMap(certificatesOf),

  validate: ({ spec }) =>
    Object.entries(spec.sites).flatMap(([site, declared]): SpecProblem[] => [
      ...unencrypted(declared, ['sites', site, 'endpoint']),
      ...certificatesWithoutTls(declared, ['sites', site, 'endpointCA']),
      ...oneKindOfKeys(declared, ['sites', site, 'readCredentials']),
    ]),

  access: (component) =>
    Object.values(component.spec.sites).flatMap((declared): AccessRule[] => {
      const common = { kind: 'object-store' as const, bucket: declared.bucket }
      const prefix = declared.prefix ?? ''
      return [
        { ...common, identity: 'observer', prefix, actions: ['list', 'get'], because: 'to see the newest backups' },
        { ...common, identity: 'restore-tester', prefix, actions: ['list', 'get'], because: 'to restore backups' },
        {
          ...common,
          identity: 'mover',
          prefix,
          actions: ['list', 'get', 'put'],
          because: 'to hand over the last state',
        },
        {
          ...common,
          identity: 'deployer',
          prefix: `${prefix}${PROBE}`,
          actions: ['list', 'get', 'put', 'delete'],
          because: 'to probe preconditions',
        },
        ...(declared.policyCredentials === undefined ? [] : [{ ...common, identity: 'mover' as const, ...POLICY }]),
      ]
    }),

  credentials: (component) =>
    Object.entries(component.spec.sites).flatMap(([site, declared]) => credentialUses(site, declared)),
  objectStore: locationOf,
  addresses: (component, site) => (site === null ? [] : [locationOf(component, site).endpoint]),

  observe: observeStore,
  assess: assessStores,
  rejoin: (component, _states, intent) => [reachStep(component, intent)],

  deploy: async (component, site, _deployment, context) => (site === null ? [] : [probeUnit(component, site, context)]),
}

/**
 * What a site has of a store is one kind of keys, whichever of the two it is: a pair, one with a token, or the login of
 * its pods.
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

const POLICY = { prefix: '', actions: ['policy'] as const, because: 'to close the archive of a lost site' }

/** Proves once, with real writes, that the bucket takes objects and whether it honours preconditions. */
function probeUnit(component: Component<S3Spec>, site: SiteName, context: DriverContext): DeployUnit {
  const { location, open } = context.objectStore(component.name, site)
  const object = `${location.endpoint}/${location.bucket}/${location.prefix}${PROBE_RESULT}`
  return {
    id: `${component.name}.probe@${site}`,
    site,
    needs: [],
    title: `Proves that ${location.bucket} takes objects and whether it honours preconditions`,
    deadline: minutes(1),
    async diff(signal): Promise<Change[]> {
      const found = await (await open('read')).get(PROBE_RESULT, { signal })
      return found === null ? [{ kind: 'create', object }] : []
    },
    async apply(signal) {
      const store = await open('write')
      const key = `${PROBE}${context.clock.now().toISOString()}`
      const again = (): Promise<string> => store.put(key, 'again', { signal, condition: { ifAbsent: true } })
      const plain = (): Promise<string> => store.put(key, 'probe', { signal })
      await plain()
      const conditionalWrites = await refused(again).catch(async (error: unknown) => {
        if ((await noPreconditions(error, plain)) === null) throw error
        return false
      })
      await store.remove(key, { signal })
      await store.put(PROBE_RESULT, JSON.stringify({ schemaVersion: 1, conditionalWrites }), {
        signal,
        contentType: 'application/json',
      })
    },
    async ready(signal) {
      const found = await (await open('read')).get(PROBE_RESULT, { signal })
      return found === null
        ? { is: 'pending', waitingFor: 'the probe to be readable' }
        : { is: 'done', proof: { conditionalWrites: conditionalWritesIn(found.body) } }
    },
  }
}
