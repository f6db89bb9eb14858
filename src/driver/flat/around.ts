import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../context.ts'
import type { PlatformKey } from '../platform-key.ts'
import type { FlatContext } from './context.ts'

/** The context of the kit out of the one of today, with all that this one has; goes with the adapter. */
export const around = (context: FlatContext): FlatContext & DriverContext => ({
  ...context,
  platform: <Client>(key: PlatformKey<Client>, site: SiteName): Client =>
    key.platform === 'kubernetes' ? (context.kubernetes(site) as Client) : context.platform(key, site),
})
