import type { SiteName } from '../../domain/stack.ts'
import { siteError } from '../../errors/standby-error.ts'
import type { DriverContext } from '../context.ts'
import type { KitContext, PlatformKey } from './context.ts'

/** The context of the kit out of the one of today, with all that this one has; goes with the adapter. */
export const around = (context: DriverContext): DriverContext & KitContext => ({
  ...context,
  platform: <Client>({ platform }: PlatformKey<Client>, site: SiteName): Client => {
    if (platform !== 'kubernetes') throw siteError('internal-error', `no platform ${platform} is known`)
    return context.kubernetes(site) as Client
  },
})
