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
  run: (command, args, options) => context.run(command, args, options),
  ssh: (access) => context.ssh(access),
  http: () => Promise.reject(siteError('internal-error', 'no HTTP client is in the context yet')),
  once: (key, compute) => onceIn(context, key, compute),
})

/** By today's context, which is one per process. */
const computed = new WeakMap<object, Map<string, Promise<unknown>>>()
function onceIn<T>(context: DriverContext, key: string, compute: () => Promise<T>): Promise<T> {
  const known = computed.get(context.stack) ?? new Map<string, Promise<unknown>>()
  computed.set(context.stack, known)
  const before = known.get(key)
  if (before !== undefined) return before as Promise<T>
  const made = compute()
  known.set(key, made)
  made.catch(() => known.delete(key))
  return made
}
