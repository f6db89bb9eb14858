import type { Cache, RedisSpec } from '../../src/drivers/redis/spec.ts'

/** A cache as stacks declare it. */
export const theCache = (more: Partial<RedisSpec> = {}): Cache => ({
  name: 'cache',
  driver: 'redis',
  needs: [],
  spec: {
    namespace: 'infisical',
    name: 'redis',
    image: 'redis:7.4.6',
    password: { secret: 'redis', key: 'password' },
    backup: { store: 'archive', images: { dump: 'redis:7.4.6', upload: 'curl:8' } },
    ...more,
  },
})
