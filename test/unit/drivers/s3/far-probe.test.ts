import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { probePreconditions } from '../../../../src/witness/probe-preconditions.ts'
import { s3Preconditions } from '../../../../src/witness/s3/store.ts'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** A sound store: each write of more than a few bytes takes so long. Notes how long each of these may take. */
function storeAt(roundTrip: number, upload: number) {
  let version = 1
  const deadlines: (number | undefined)[] = []
  const put: ObjectStoreClient['put'] = async (_, body, options) => {
    if (body.length > 100) {
      deadlines.push(options?.deadline)
      await new Promise((done) => setTimeout(done, upload))
    }
    const condition = options?.condition
    if (condition === undefined || !('ifVersion' in condition) || condition.ifVersion !== `"${version}"`)
      throw siteError('object-store-precondition', 'it has another version')
    return `"${++version}"`
  }
  const head = async () => ({
    key: 'probe.json',
    bytes: 2,
    version: `"${version}"`,
    modified: new Date().toISOString(),
  })
  return { store: { way: { roundTrip }, head, put } as unknown as ObjectStoreClient, deadlines }
}

async function probed(roundTrip: number, upload: number): Promise<readonly (number | undefined)[]> {
  const { store, deadlines } = storeAt(roundTrip, upload)
  const probe = probePreconditions(store, s3Preconditions, { deadline: 5_000 })
  await jest.advanceTimersByTimeAsync(600_000)
  await probe
  return deadlines
}

test('a store that is far away is tried with one race at least, and each of its writes has the time that a bad way needs', async () => {
  expect(await probed(1_500, 30_000)).toEqual([55_000, 55_000, 55_000, 55_000])
})

test('a store that is near is tried with five races, however long they take', async () => {
  expect(await probed(5, 3_000)).toEqual(Array.from({ length: 20 }, () => 5_000))
})
