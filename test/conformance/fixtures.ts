import type { Fixture } from './fixture.ts'
import { commandFixture } from './fixtures/command.ts'
import { nginxFixture } from './fixtures/nginx.ts'
import { publishedFixture } from './fixtures/published.ts'
import { webhookFixture } from './fixtures/webhook.ts'

/** One fixture for each driver of the registry. */
export const fixtures: Readonly<Record<string, Fixture>> = {
  'cloudnative-pg': publishedFixture('cloudnative-pg'),
  command: commandFixture,
  guard: publishedFixture('guard', { spec: { closeAfter: '2m' } }),
  haproxy: publishedFixture('haproxy'),
  'helm-release': publishedFixture('helm-release'),
  nginx: nginxFixture,
  redis: publishedFixture('redis', { lostState: { dumping: true } }),
  s3: publishedFixture('s3'),
  webhook: webhookFixture,
}
