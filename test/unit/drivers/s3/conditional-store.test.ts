import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import { conditionalStore, openS3Store } from '../../../../src/witness/s3/store.ts'
import { type ObjectStoreServer, startObjectStore } from '../../../support/object-store.ts'

/** What a witness on S3 says beyond what every storage promises (`test/support/storage-promises.ts`). */
jest.setTimeout(30_000)

let server: ObjectStoreServer
beforeAll(async () => {
  server = await startObjectStore()
}, 60_000)
afterAll(() => server.stop())

const signal = new AbortController().signal

test('a bucket that is missing is named as such', async () => {
  const store = conditionalStore(openObjectStore({ ...server.access(), bucket: 'nothing' }), signal)
  await expect(store.create('active.json', {})).rejects.toMatchObject({ code: 'object-store-missing-bucket' })
})

test('credentials are read by reference, and the place is the declared one', async () => {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = server.access()
  const place = 'place/'
  const spec = {
    endpoint,
    region,
    bucket,
    prefix: place,
    credentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } },
  }
  const values: Record<string, string> = { ID: accessKeyId, SECRET: secretAccessKey }
  const store = await openS3Store(spec, {
    stack: 'infisical',
    signal,
    credential: async (reference) => ('env' in reference ? (values[reference.env] ?? '') : ''),
    file: () => Promise.reject(new Error('no file is named')),
    login: () => Promise.reject(new Error('no login is declared')),
  })
  await store.create('active.json', { epoch: 1 })
  expect((await openObjectStore(server.access()).get(`${place}active.json`))?.body).toContain('"epoch":1')
})

test('the authorities that the stack file names are those by which the witness is believed', async () => {
  const secure = await startObjectStore({ tls: true })
  try {
    const { endpoint, region, bucket, accessKeyId, secretAccessKey, authorities = '' } = secure.access()
    const credentials = { accessKeyId: { env: accessKeyId }, secretAccessKey: { env: secretAccessKey } }
    const open = (endpointCA: Record<string, string>) =>
      openS3Store(
        { endpoint, region, bucket, credentials, ...endpointCA },
        {
          stack: 'infisical',
          signal,
          credential: async (reference) => ('env' in reference ? reference.env : ''),
          login: () => Promise.reject(new Error('no login is declared')),
          file: async (path) => (path === 'ca.pem' ? authorities : ''),
        },
      )
    const store = await open({ endpointCA: 'ca.pem' })
    await store.create('active.json', { epoch: 1 })
    expect((await store.get('active.json'))?.body).toMatchObject({ epoch: 1 })
    await expect((await open({})).get('active.json')).rejects.toMatchObject({
      code: 'witness-unreachable',
      next: expect.stringContaining('endpointCA'),
    })
  } finally {
    await secure.stop()
  }
})
