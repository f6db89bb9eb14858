import type { SiteName } from '../../domain/stack.ts'
import { siteError } from '../../errors/standby-error.ts'
import type { DriverContext } from '../context.ts'
import type { KitContext, PlatformKey } from './context.ts'

/** The context of the kit around the one of today; goes with the adapter. */
export const around = (context: DriverContext): KitContext => ({
  stack: context.stack,
  signal: context.signal,
  clock: context.clock,
  log: context.log,
  records: context.records,
  platform: <Client>({ platform }: PlatformKey<Client>, site: SiteName): Client => {
    if (platform !== 'kubernetes') throw siteError('internal-error', `no platform ${platform} is known`)
    return context.kubernetes(site) as Client
  },
  kubeconfig: (site) => context.kubeconfig(site),
  credential: (reference, site) => context.credential(reference, site),
  objectStore: (component, site) => context.objectStore(component, site),
  sql: (component, at, query) => context.sql(component, at, query),
  run: (command, args, options, reach) => context.run(command, args, options, reach),
  ssh: (access, reach) => context.ssh(access, reach),
  http: (request, reach) => context.http(request, reach),
  once: (key, compute) => context.once(key, compute),
})
