import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { PlatformKey } from '../../../src/driver/platform-key.ts'
import type { FlatContext } from './context.ts'

/** The context that a driver gets, out of one that may name clusters alone. */
export const around = (context: FlatContext): DriverContext => ({
  ...context,
  platform: <Client>(key: PlatformKey<Client>, site: SiteName): Client =>
    key.platform === 'kubernetes' && context.kubernetes !== undefined
      ? (context.kubernetes(site) as Client)
      : context.platform(key, site),
})
