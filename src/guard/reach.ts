import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { PlatformKey } from '../driver/platform-key.ts'
import { type StandbyError, siteError } from '../errors/standby-error.ts'
import { KUBERNETES } from '../platform/kubernetes/key.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { onceByKey } from '../runtime/once.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { recordsIn } from '../witness/records-in-store.ts'

/** The context of a guard: the Kubernetes of its own site, and read access to the witness; nothing else. */
export function guardContext(of: {
  readonly stack: Stack
  readonly site: SiteName
  readonly kubernetes: KubernetesClient
  readonly store: ConditionalStore
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}): DriverContext {
  const outOfReach = (what: string): StandbyError =>
    siteError('out-of-reach-of-guard', `the guard of ${of.site} has no access to ${what}`, {
      where: `guard ${of.site}`,
    })
  return {
    stack: of.stack,
    signal: of.signal,
    clock: of.clock,
    log: of.log,
    platform: <Client>({ platform }: PlatformKey<Client>, site: SiteName): Client => {
      if (site !== of.site) throw outOfReach(`the site ${site}`)
      if (platform !== KUBERNETES.platform) throw outOfReach(`the platform ${platform} of ${site}`)
      return of.kubernetes as Client
    },
    kubeconfig: (site) => {
      throw outOfReach(`the kubeconfig of ${site}`)
    },
    credential: async () => {
      throw outOfReach('credentials')
    },
    objectStore: (component) => {
      throw outOfReach(`the object store ${component}`)
    },
    sql: async (component) => {
      throw outOfReach(`SQL on ${component}`)
    },
    run: async (command) => {
      throw outOfReach(`programs such as ${command}`)
    },
    ssh: ({ host }) => {
      throw outOfReach(`the host ${host}`)
    },
    http: async ({ url }) => {
      throw outOfReach(url)
    },
    askSql: async ({ server: { host } }) => {
      throw outOfReach(`the server ${host}`)
    },
    once: onceByKey(),
    records: recordsIn(of.store, of.log),
  }
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * A kubeconfig of the pod's own ServiceAccount. Uses an address, because the names of a booting site do not resolve
 * yet. Uses the token's file in a form that is read again, because Kubernetes renews the token in it (the client would
 * read the plain key `tokenFile` only once).
 */
export function inClusterKubeconfig(
  env: Readonly<Record<string, string | undefined>>,
  account = ACCOUNT,
): string | null {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined) return null
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'guard',
    contexts: [{ name: 'guard', context: { cluster: 'guard', user: 'guard' } }],
    clusters: [{ name: 'guard', cluster: { server, 'certificate-authority': `${account}/ca.crt` } }],
    users: [
      { name: 'guard', user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: `${account}/token` } } } },
    ],
  })
}
