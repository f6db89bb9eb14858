import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { accessKeys, accessKeysInSecret } from '../../../src/clients/access-keys.ts'
import { openObjectStore } from '../../../src/clients/object-store.ts'

const references = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' }, sessionToken: { env: 'TOKEN' } }
const values: Readonly<Record<string, string>> = { ID: 'AKIDEXAMPLE', SECRET: 's3cr3t', TOKEN: 'a-session' }
const credential = async (reference: object): Promise<string> =>
  values['env' in reference ? String(reference.env) : ''] ?? ''

describe('a key of an object store', () => {
  const from = (changed: Readonly<Record<string, string>>) =>
    accessKeys(
      references,
      async (reference) => ({ ...values, ...changed })['env' in reference ? String(reference.env) : ''] ?? '',
    )

  test.each([
    ['ID', 'AK\nID', 'access key'],
    ['ID', 'AK ID', 'access key'],
    ['SECRET', 's3c\r\nr3t', 'secret key'],
    ['SECRET', 's3c\u0000r3t', 'secret key'],
    ['TOKEN', 'a\nsession', 'session token'],
  ])(
    'in %s with a line break or a control character (%j) is refused before anything is asked, and never printed',
    async (name, value, what) => {
      const refused = await from({ [name]: value }).catch((error: unknown) => error)
      expect(refused).toMatchObject({
        code: 'credential-unusable',
        message: expect.stringContaining(`the ${what} in the environment variable ${name}`),
      })
      expect(JSON.stringify(refused)).not.toContain(value)
    },
  )

  test.each(['with "quotes"', 'back\\slash', 'ünicode'])('may be a secret like %j: it only signs', async (SECRET) => {
    expect(await from({ SECRET })).toMatchObject({ secretAccessKey: SECRET })
  })
})

describe('temporary keys', () => {
  test('are read with their session token, and lasting keys without one', async () => {
    expect(await accessKeys(references, credential)).toEqual({
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 's3cr3t',
      sessionToken: 'a-session',
    })
    const { sessionToken: _, ...lasting } = references
    expect(await accessKeys(lasting, credential)).toEqual({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 's3cr3t' })
  })

  test('are kept in a Secret with their token, and lasting keys without an empty one', async () => {
    const { sessionToken: _, ...lasting } = references
    expect(Object.keys(accessKeysInSecret(await accessKeys(references, credential)))).toContain('SESSION_TOKEN')
    expect(Object.keys(accessKeysInSecret(await accessKeys(lasting, credential)))).toEqual([
      'ACCESS_KEY_ID',
      'SECRET_ACCESS_KEY',
    ])
  })

  test('send their token, signed, with each request, and in each address that is handed on', async () => {
    const asked: IncomingMessage[] = []
    const server = createServer((request, response) => {
      asked.push(request)
      response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const store = openObjectStore({
      endpoint,
      region: 'us-east-1',
      bucket: 'b',
      prefix: '',
      ...(await accessKeys(references, credential)),
    })
    expect(await store.get('key')).toBeNull()
    expect(asked[0]?.headers['x-amz-security-token']).toBe('a-session')
    expect(asked[0]?.headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-security-token/)
    expect(new URL(await store.presignedGet('key', 60_000)).searchParams.get('X-Amz-Security-Token')).toBe('a-session')
    server.closeAllConnections()
    server.close()
  })
})
