import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { AwsClient } from 'aws4fetch'
import { type LabEnvironment, readLabEnvironment } from '../../lab/environment.ts'
import type { AccountName } from '../../lab/wan/s3-policies.ts'

let lab: LabEnvironment

beforeAll(async () => {
  lab = await readLabEnvironment()
})

/** The status and body of one request as one account. */
async function ask(
  account: AccountName | 'root',
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
) {
  const client = new AwsClient({
    ...(account === 'root' ? lab.s3.root : lab.s3.accounts[account]),
    service: 's3',
    region: lab.s3.region,
    retries: 0,
  })
  const init = { method, headers, signal: AbortSignal.timeout(5_000), ...(body === undefined ? {} : { body }) }
  const response = await client.fetch(`${lab.s3.endpoint}${path}`, init)
  return { status: response.status, etag: response.headers.get('etag') ?? '', text: await response.text() }
}

describe('the object store between the sites', () => {
  test('a key that must not exist is created once, and a changed one is not overwritten', async () => {
    const key = `/standby-witness/lab-test/nonces/${randomUUID()}`
    const created = await ask('mover', 'PUT', key, { 'if-none-match': '*' }, 'one')
    expect(created.status).toBe(200)
    expect((await ask('mover', 'PUT', key, { 'if-none-match': '*' }, 'two')).status).toBe(412)
    expect((await ask('mover', 'PUT', key, { 'if-match': created.etag }, 'three')).status).toBe(200)
    expect((await ask('mover', 'PUT', key, { 'if-match': created.etag }, 'four')).status).toBe(412)
    expect((await ask('observer', 'GET', key)).text).toBe('three')
  })

  test('each account can do its work and no more', async () => {
    const key = `/standby-witness/lab-test-${randomUUID()}/lock.json`
    const nonce = `/standby-witness/lab-test/nonces/${randomUUID()}`
    expect((await ask('observer', 'PUT', key, {}, 'x')).status).toBe(403)
    expect((await ask('reader', 'GET', '/standby-witness?list-type=2')).status).toBe(403)
    expect((await ask('deployer', 'PUT', key, {}, 'x')).status).toBe(200)
    expect((await ask('deployer', 'DELETE', key)).status).toBe(403)
    expect((await ask('deployer', 'PUT', nonce, {}, 'x')).status).toBe(403)
    const archived = `/infisical-dc-a/lab-test/${randomUUID()}`
    expect((await ask('archive-dc-b', 'PUT', archived, {}, 'x')).status).toBe(403)
    expect((await ask('archive-dc-a', 'PUT', archived, {}, 'x')).status).toBe(200)
    expect((await ask('archive-dc-b', 'GET', archived)).text).toBe('x')
    expect((await ask('restore-tester', 'GET', archived)).text).toBe('x')
    expect((await ask('archive-dc-a', 'DELETE', archived)).status).toBe(204)
  })

  test('every bucket keeps versions, and tells so to its owner and to an observer', async () => {
    for (const bucket of lab.s3.buckets)
      expect((await ask('root', 'GET', `/${bucket}?versioning`)).text).toContain('Enabled')
    expect((await ask('observer', 'GET', '/infisical-dc-a?versioning')).text).toContain('Enabled')
  })

  test('a deployer may prove the archive on probe objects only', async () => {
    expect((await ask('deployer', 'PUT', '/infisical-dc-a/some/prefix/standby-probe/x', {}, 'x')).status).toBe(200)
    expect((await ask('deployer', 'DELETE', '/infisical-dc-a/some/prefix/standby-probe/x')).status).toBe(204)
    expect((await ask('deployer', 'PUT', '/infisical-dc-a/some/prefix/x', {}, 'x')).status).toBe(403)
  })

  test('the mover can close an archive by its policy', async () => {
    const policy = await ask('mover', 'GET', '/hanzo-dc-b?policy')
    expect(policy.status).toBe(200)
    expect((await ask('mover', 'PUT', '/hanzo-dc-b?policy', {}, policy.text)).status).toBeLessThan(300)
    expect((await ask('deployer', 'PUT', '/hanzo-dc-b?policy', {}, policy.text)).status).toBe(403)
  })
})
