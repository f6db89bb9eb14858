import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AwsClient } from 'aws4fetch'
import { policyOf, witnessBucket } from '../../../lab/wan/s3-policies.ts'
import { type Identity, OPERATING } from '../../../src/domain/identities.ts'
import { WITNESS_RIGHTS } from '../../../src/witness/rights.ts'
import { witnessStatements } from '../../../src/witness/s3/policy.ts'
import { type ObjectStoreServer, startObjectStore } from '../../support/object-store.ts'

const identities: readonly Identity[] = [...OPERATING, 'guard']
let server: ObjectStoreServer
beforeAll(async () => {
  server = await startObjectStore({ accounts: identities })
})
afterAll(() => server.stop())

const PLACE = 'shop/'
const keyIn = (keys: string): string => (keys.endsWith('/') ? `${keys}2026-11/one.json` : keys)
/** One key of each kind, and some that no identity may write. */
const everyKey = [
  ...WITNESS_RIGHTS.map(({ keys }) => keyIn(keys)),
  'records/others/one.json',
  'one.json',
  'active.json/one',
  'lock.json.old',
]

/** The status of a request of one identity; `root` prepares. */
async function asks(identity: Identity | 'root', method: string, key: string, body?: string): Promise<number> {
  const client = new AwsClient({
    accessKeyId: identity,
    secretAccessKey: `${identity}-secret`,
    service: 's3',
    region: 'us-east-1',
    retries: 0,
  })
  const response = await client.fetch(`${server.endpoint}/bucket${key}`, {
    method,
    ...(body === undefined ? {} : { body }),
  })
  await response.text()
  return response.status
}
const put = (identity: Identity | 'root', key: string): Promise<number> =>
  asks(identity, 'PUT', `/${PLACE}${key}`, '{}')

type Statement = { readonly Action: readonly string[]; readonly Resource: readonly string[] }
/**
 * The printed policies of all identities as one of the bucket; a condition that this server does not know is left out.
 */
const printed = identities.flatMap((identity) =>
  witnessStatements(identity, 'bucket', PLACE)
    .filter(({ Condition }) => Condition === undefined)
    .map(({ Action, Resource }) => ({ Effect: 'Allow', Principal: { AWS: [identity] }, Action, Resource })),
)
const ofLab = policyOf(witnessBucket).Statement.map((one) => ({
  ...one,
  Resource: one.Resource.map((resource) => resource.replace(witnessBucket, 'bucket')),
}))

describe.each([
  ['the policies that standby rbac prints', printed as readonly Statement[], []],
  ['the policy of the lab', ofLab as readonly Statement[], ['deployer active.json', `deployer ${keyIn('deploys/')}`]],
] as const)('by %s, on a real store', (name, Statement, more) => {
  beforeAll(async () => {
    expect(await asks('root', 'PUT', '?policy', JSON.stringify({ Version: '2012-10-17', Statement }))).toBeLessThan(300)
  })
  const may = (identity: Identity, key: string): boolean =>
    WITNESS_RIGHTS.some(
      ({ keys, write }) => write.includes(identity) && (keys.endsWith('/') ? key.startsWith(keys) : key === keys),
    ) || more.some((one) => one === `${identity} ${key}`)

  test.each(identities.filter((identity) => name.startsWith('the policies') || identity !== 'guard'))(
    'the %s writes what it must, and nothing else',
    async (identity) => {
      const allowed: string[] = []
      for (const key of everyKey) if ((await put(identity, key)) < 300) allowed.push(key)
      expect(allowed).toEqual(everyKey.filter((key) => may(identity, key)))
    },
  )

  test('no identity deletes or changes the policy', async () => {
    await put('root', 'runs/2026-11/one.json')
    for (const identity of identities) {
      expect(await asks(identity, 'DELETE', `/${PLACE}runs/2026-11/one.json`)).toBe(403)
      expect(await asks(identity, 'DELETE', `/${PLACE}active.json`)).toBe(403)
      expect(await asks(identity, 'PUT', '?policy', JSON.stringify({ Version: '2012-10-17', Statement }))).toBe(403)
    }
  })

  test('every identity but a guard reads all of it', async () => {
    await Promise.all(['active.json', 'lock.json', 'runs/2026-11/one.json'].map((key) => put('root', key)))
    for (const identity of OPERATING)
      for (const key of ['active.json', 'lock.json', 'runs/2026-11/one.json'])
        expect(await asks(identity, 'GET', `/${PLACE}${key}`)).toBe(200)
  })
})

test('a guard reads the active record alone', async () => {
  await asks('root', 'PUT', '?policy', JSON.stringify({ Version: '2012-10-17', Statement: printed }))
  expect(await asks('guard', 'GET', `/${PLACE}active.json`)).toBe(200)
  for (const key of ['lock.json', 'runs/2026-11/one.json', 'active.json.old'])
    expect(await asks('guard', 'GET', `/${PLACE}${key}`)).toBe(403)
  expect(await asks('guard', 'GET', '?list-type=2')).toBe(403)
})

test('no other identity than the mover writes what a move is decided by', () => {
  const decides = ['active.json', 'nonces/', 'runs/', 'evidence/', 'records/backups/', 'records/forks/']
  for (const { keys, write } of WITNESS_RIGHTS) if (decides.includes(keys)) expect(write).toEqual(['mover'])
  expect(
    witnessStatements('deployer', 'b', '').filter(({ Resource }) =>
      Resource.some((one) => one.endsWith('active.json')),
    ),
  ).toEqual([expect.objectContaining({ Sid: 'WitnessCreate', Condition: { Null: { 's3:if-none-match': 'false' } } })])
})
