import type { SiteName, Stack } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { PlatformKey } from '../driver/platform-key.ts'
import { type StandbyError, siteError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { onceByKey } from '../runtime/once.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { recordsIn } from '../witness/records-in-store.ts'

/** The context of a guard: one platform of its own site, and read access to the witness; nothing else. */
export function guardContext(of: {
  readonly stack: Stack
  readonly site: SiteName
  readonly platform: { readonly name: string; readonly client: unknown }
  readonly store: ConditionalStore
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** On a machine: what it may ask its own site beside that client. */
  readonly own?: Pick<DriverContext, 'credential' | 'http'>
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
      if (platform !== of.platform.name) throw outOfReach(`the platform ${platform} of ${site}`)
      return of.platform.client as Client
    },
    kubeconfig: (site) => {
      throw outOfReach(`the kubeconfig of ${site}`)
    },
    credential: async (reference, site) => {
      if (of.own === undefined || (site !== undefined && site !== of.site)) throw outOfReach('credentials')
      return of.own.credential(reference, site)
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
    http: async (request, reach) => {
      const leadsHome = reach !== 'outside-sites' && reach.site === of.site
      if (of.own === undefined || !leadsHome) throw outOfReach(request.url)
      return of.own.http(request, reach)
    },
    askSql: async ({ server: { host } }) => {
      throw outOfReach(`the server ${host}`)
    },
    once: onceByKey(),
    records: recordsIn(of.store, of.log),
  }
}
