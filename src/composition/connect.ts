import { setTimeout as pause } from 'node:timers/promises'
import { keySource } from '../clients/access-keys.ts'
import { askOverHttp } from '../clients/http-question.ts'
import { openObjectStore } from '../clients/object-store.ts'
import type { ObjectStoreClient } from '../clients/object-store-client.ts'
import { awsLogin } from '../clients/renewed-login.ts'
import { askOverSql } from '../clients/sql-question.ts'
import { type SshAccess, type SshRunner, sshRunner } from '../clients/ssh.ts'
import type { Identity } from '../domain/identities.ts'
import type { Finding, Intent } from '../domain/plan.ts'
import { componentOf, type Stack } from '../domain/stack.ts'
import { objectStoreOf, sqlOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import { conditionalStores, drivers, witnesses } from '../drivers/registry.ts'
import { inputError } from '../errors/standby-error.ts'
import type { ProgressEvent } from '../execution/progress.ts'
import type { Observation } from '../observation/observation.ts'
import { observe } from '../observation/observe.ts'
import { findingsOf } from '../planning/findings.ts'
import { platformsOf } from '../platform/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { maskSecret } from '../runtime/mask-secret.ts'
import { masking } from '../runtime/masking.ts'
import { onceByKey } from '../runtime/once.ts'
import { loadStack } from '../stack/load-stack.ts'
import { readNamedFile, readNamedFileNow } from '../stack/named-files.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { recordsIn } from '../witness/records-in-store.ts'
import { type CredentialSources, localCredential, secretCredential } from './credentials.ts'
import { type GivenCredentials, neededCredentials, refuseMissingCredentials } from './needed-credentials.ts'
import { openClusters, openPlatforms } from './open-sites.ts'
import { programRunner } from './program-runner.ts'

/** All that an operation works with: the declared stack, and the clients to what is real. */
export interface World {
  readonly stack: Stack
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly store: ConditionalStore
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** Hears every change of state of a run. */
  readonly listener: (event: ProgressEvent) => void
  observe(): Promise<Observation>
  findings(observation: Observation, intent: Intent | null): Finding[]
  /** Ends the connections that are kept for the next step. */
  close(): Promise<void>
}

export interface WorldOptions extends GivenCredentials {
  readonly stackPath: string
  /** When it was loaded already: what was judged by it is then executed by it. */
  readonly stack?: Stack
  /** Throws what of a request the stack file alone refuses: before credentials are asked for, or any site. */
  readonly judge?: (stack: Stack) => void
  readonly signal: AbortSignal
  readonly log: Log
  readonly mask: (secret: string) => void
  /** Who works: all that it needs and was not given is said at once. */
  readonly identity: Identity
  readonly listener?: (event: ProgressEvent) => void
}

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) => pause(ms, undefined, { signal }),
}

/**
 * Loads the stack file and prepares the clients; nothing is contacted yet. Throws what is wrong with file, credentials
 * or kubeconfigs.
 */
export async function connect(options: WorldOptions): Promise<World> {
  const stack = options.stack ?? (await loadStack(options.stackPath, { drivers, witnesses }))
  options.judge?.(stack)
  refuseMissingCredentials(neededCredentials(stack, drivers), options.identity, options)
  const secrets = masking()
  const mask = (secret: string): void => {
    secrets.add(secret)
    options.mask(secret)
  }
  const sources: CredentialSources = { env: options.env, directory: stack.source.directory, mask }
  for (const [name, value] of Object.entries(options.env))
    if (value !== undefined && process.env[name] !== value) maskSecret(value, mask)
  const login = { login: loginVariables(stack, options.env), mask, signal: options.signal }
  const kubernetes = openClusters(stack, sources, login)
  const openStore = conditionalStores[stack.witness.driver]
  if (openStore === undefined)
    throw inputError('unknown-witness', `${stack.witness.driver} is no witness`, {
      next: `Use one of ${Object.keys(conditionalStores).join(', ')}.`,
    })
  const credential: DriverContext['credential'] = async (reference, site) =>
    'secret' in reference ? secretCredential(reference, kubernetes, site, sources) : localCredential(reference, sources)
  const awsKeys = awsLogin({ env: options.env, mask })
  // A cancelled run still writes its journal and gives its lock back: the witness is bounded by its own deadlines
  // alone.
  const store = await openStore(stack.witness.spec, {
    stack: stack.name,
    credential,
    login: awsKeys,
    file: (path) => readNamedFile(stack, path),
    signal: new AbortController().signal,
  })
  const connections = sharedConnections(options.signal)
  const context: DriverContext = {
    stack,
    signal: options.signal,
    clock: systemClock,
    log: options.log,
    platform: openPlatforms(stack, sources, kubernetes, connections.ssh),
    kubeconfig: (site) =>
      kubernetes(site).kubeconfig?.() ?? Promise.reject(inputError('kubeconfig-invalid', `${site} has none`)),
    credential,
    records: recordsIn(store, options.log),
    ssh: connections.ssh,
    http: (request) => askOverHttp(request, [options.signal]),
    askSql: (question) => askOverSql(question, [options.signal]),
    once: onceByKey(),
    run: programRunner(options.log, secrets, options.signal),
    sql(component, at, query) {
      const declared = componentOf(stack, component)
      const rows = sqlOf(drivers[declared.driver], declared, at, query, context)
      if (rows === null) throw inputError('not-a-database', `${component} (${declared.driver}) answers no SQL`)
      return rows
    },
    objectStore(component, site) {
      const declared = componentOf(stack, component)
      const place = objectStoreOf(drivers[declared.driver], declared, site)
      if (place === null)
        throw inputError('not-an-object-store', `${component} (${declared.driver}) is no object store`)
      const { endpointCA } = place
      const location = endpointCA === undefined ? place : { ...place, authorities: readNamedFileNow(stack, endpointCA) }
      const open = async (access: 'read' | 'write' | 'policy' = 'read'): Promise<ObjectStoreClient> => {
        const { readCredentials, credentials, policyCredentials } = location
        const keys = { read: readCredentials, write: credentials, policy: policyCredentials }[access]
        if (keys === undefined)
          throw inputError('credential-missing', `${component} declares no policyCredentials for ${site}`)
        return openObjectStore({
          endpoint: location.endpoint,
          region: location.region,
          bucket: location.bucket,
          prefix: location.prefix,
          ...(location.authorities === undefined ? {} : { authorities: location.authorities }),
          ...(await keySource(keys, (reference) => credential(reference, site), awsKeys)),
        })
      }
      return { location, open }
    },
  }
  return {
    stack,
    drivers,
    context,
    store,
    clock: systemClock,
    log: options.log,
    signal: options.signal,
    listener: options.listener ?? (() => undefined),
    observe: () => observe(context, store, drivers),
    findings: (observation, intent) => findingsOf(stack, observation, intent, drivers),
    close: connections.close,
  }
}

/**
 * What a credential program may log in with beside the cloud variables, and no other child gets: what the input
 * `credentials` brought beside the process' own environment, and the variables that STANDBY_LOGIN_ENV names. The
 * credentials of platforms are for this process alone.
 */
function loginVariables(stack: Stack, env: WorldOptions['env']): WorldOptions['env'] {
  const named = (env.STANDBY_LOGIN_ENV ?? '').split(/[\s,]+/)
  const ofPlatforms = stack.sites.flatMap((site) => platformsOf(site).flatMap((one) => one.credentials(site)))
  const ours = ofPlatforms.map(({ reference }) => ('env' in reference ? reference.env : ''))
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) => named.includes(name) || (process.env[name] !== value && !ours.includes(name)),
    ),
  )
}

/**
 * One connection per host, user and keys: each step of a move would pay for a new handshake otherwise. What another
 * component declares of host keys, or of its own key, is never taken for the same.
 */
function sharedConnections(signal: AbortSignal): { ssh(access: SshAccess): SshRunner; close(): Promise<void> } {
  const open = new Map<string, SshRunner>()
  return {
    ssh(access) {
      const { user, host, port = 22, jump = null, privateKey, knownHosts } = access
      const key = JSON.stringify([user, host, port, jump, privateKey, knownHosts])
      const runner = open.get(key) ?? sshRunner({ signal, ...access })
      open.set(key, runner)
      return runner
    },
    async close() {
      await Promise.all([...open.values()].map((runner) => runner.close()))
      open.clear()
    },
  }
}
