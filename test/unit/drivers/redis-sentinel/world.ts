import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { PlatformKey } from '../../../../src/driver/platform-key.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import { REDIS_LOGIN, SENTINEL_PASSWORD, type SentinelWorld } from '../../../support/sentinel.ts'

export const [A, B, C] = ['dc-a' as SiteName, 'dc-b' as SiteName, 'dc-c' as SiteName]

export const groupOf = (world: SentinelWorld): Group =>
  ({
    name: 'cache',
    driver: 'redis-sentinel',
    needs: [],
    spec: {
      ...world.spec,
      redis: { user: REDIS_LOGIN.user, password: { env: 'REDIS_PASSWORD' } },
      sentinel: { password: { env: 'SENTINEL_PASSWORD' } },
    },
  }) as unknown as Group

/** A context whose hosts are this machine; a site in `cut` is not reached. */
export function contextOf(world: SentinelWorld, cut: ReadonlySet<string> = new Set()): DriverContext {
  const stack = { sites: Object.keys(world.spec.sites).map((name) => ({ name })) } as unknown as Stack
  const hostsAt = (site: string) => ({
    site,
    machines: {},
    async run(
      _machine: string,
      command: string,
      options: { readonly stdin?: string; readonly deadline?: number } = {},
    ) {
      if (cut.has(site)) throw new Error(`${site} is cut off`)
      return world.on(command, { ...options, timeout: options.deadline ?? 10_000 })
    },
  })
  return {
    stack,
    signal: AbortSignal.timeout(300_000),
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    clock: {
      now: () => new Date(),
      sleep: (ms: number) => new Promise((resolve) => setTimeout(resolve, ms)),
    },
    platform: (_key: PlatformKey<unknown>, site: string) => hostsAt(site),
    credential: async (reference: { readonly env?: string }) =>
      reference.env === 'REDIS_PASSWORD' ? REDIS_LOGIN.password : SENTINEL_PASSWORD,
  } as unknown as DriverContext
}
