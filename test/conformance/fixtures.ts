import type { Fixture } from './fixture.ts'
import { ansibleFixture } from './fixtures/ansible.ts'
import { cloudNativePgFixture } from './fixtures/cloudnative-pg.ts'
import { commandFixture } from './fixtures/command.ts'
import { consulFixture } from './fixtures/consul.ts'
import { guardFixture } from './fixtures/guard.ts'
import { haproxyFixture } from './fixtures/haproxy.ts'
import { helmReleaseFixture } from './fixtures/helm-release.ts'
import { nginxFixture } from './fixtures/nginx.ts'
import { patroniFixture } from './fixtures/patroni.ts'
import { postgresFixture } from './fixtures/postgres.ts'
import { redisFixture } from './fixtures/redis.ts'
import { redisSentinelFixture } from './fixtures/redis-sentinel.ts'
import { s3Fixture } from './fixtures/s3.ts'
import { systemdFixture } from './fixtures/systemd.ts'
import { webhookFixture } from './fixtures/webhook.ts'

/** One fixture for each driver of the registry. */
export const fixtures: Readonly<Record<string, Fixture>> = {
  ansible: ansibleFixture,
  'cloudnative-pg': cloudNativePgFixture,
  command: commandFixture,
  consul: consulFixture,
  guard: guardFixture,
  haproxy: haproxyFixture,
  'helm-release': helmReleaseFixture,
  nginx: nginxFixture,
  patroni: patroniFixture,
  postgres: postgresFixture,
  'redis-sentinel': redisSentinelFixture,
  redis: redisFixture,
  s3: s3Fixture,
  systemd: systemdFixture,
  webhook: webhookFixture,
}
