import { describe, expect, test } from '@jest/globals'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { CredentialReference, SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { RestoreEndpoint } from '../../../../src/driver/proofs.ts'
import { withRestoredEndpoints } from '../../../../src/drivers/helm-release/restored-endpoint.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { theApplication } from '../../../support/helm-application.ts'

const database: RestoreEndpoint = {
  kind: 'postgres',
  host: 'restored-rw.sandbox.svc',
  port: 5432,
  database: 'shop',
  user: 'owner',
  credentials: { name: 'owner', keys: { password: 'PASSWORD' } },
}
const cache: RestoreEndpoint = { kind: 'redis', host: 'restored.sandbox.svc', port: 6379, credentials: null }
const restored: Readonly<Record<string, RestoreEndpoint>> = { database, cache }
const sandbox = {
  site: 'dc-b' as SiteName,
  namespace: 'sandbox',
  endpointOf: (name: string) => (restored[name] ?? null) as unknown as JsonObject | null,
} as Sandbox
const context = {
  credential: async (reference: CredentialReference, site?: SiteName) =>
    `p@ss of ${JSON.stringify(reference)} on ${site}`,
} as unknown as DriverContext
const filled = (value: string): Promise<string> => withRestoredEndpoints(value, theApplication({}), sandbox, context)

describe('the environment of a restored application', () => {
  test('names the restored copies in place of the real components', async () => {
    const url = 'postgres://${database.user}@${database.host}:${database.port}/${database.database}'
    expect(await filled(url)).toBe('postgres://owner@restored-rw.sandbox.svc:5432/shop')
    expect(await filled('redis://${cache.host}:${cache.port}')).toBe('redis://restored.sandbox.svc:6379')
    expect(await filled('untouched: $HOME')).toBe('untouched: $HOME')
  })

  test('takes a password from the Secret of the sandbox that the copy names, encoded for a URL', async () => {
    const reference = { secret: { namespace: 'sandbox', name: 'owner', key: 'PASSWORD' } }
    expect(await filled('${database.password}')).toBe(
      encodeURIComponent(`p@ss of ${JSON.stringify(reference)} on dc-b`),
    )
  })

  test('is refused where a copy is missing, or lacks what is asked for', async () => {
    for (const value of ['${queue.host}', '${cache.password}', '${cache.user}', '${database.credentials}'])
      await expect(filled(value)).rejects.toMatchObject({ code: 'endpoint-missing' })
  })
})
