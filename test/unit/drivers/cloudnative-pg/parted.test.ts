import { describe, expect, test } from '@jest/globals'
import { markFork } from '../../../../src/drivers/cloudnative-pg/failover/mark-fork.ts'
import { partedBy } from '../../../../src/drivers/cloudnative-pg/failover/parted.ts'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { ForkRecord } from '../../../../src/systems/postgres/fork-records.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { recordsIn } from '../../../../src/witness/records-in-store.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { type MemoryStore, memoryStore } from '../../../support/memory-store.ts'
import { cluster } from './cluster-states.ts'
import { theDatabase } from './database-stack.ts'
import { behaviourOf } from './of-kit.ts'

const database = theDatabase()
const [OLD, NEW] = ['7000000000000000001', '7000000000000000002']

/** The history of pg-dc-a ended on its timeline 3, under a name that it had before its last rejoin. */
const fork: ForkRecord = {
  schemaVersion: 1,
  serverName: 'pg-dc-a-g0',
  cluster: 'pg-dc-a',
  site: 'dc-a',
  forkedAt: '0/9000000',
  forkedFrom: 3,
  successor: 'pg-dc-b',
  at: '2026-11-21T06:00:00Z',
}
const beyond: InstanceStatus = { isPrimary: false, timeLineID: 3, replayLsn: '0/9000028' }

async function witnessWith(...forks: readonly ForkRecord[]): Promise<MemoryStore> {
  const store = memoryStore()
  for (const one of forks) await store.create(keyOf(one), one as unknown as JsonObject)
  return store
}
const keyOf = ({ serverName, at }: Pick<ForkRecord, 'serverName' | 'at'>): string =>
  `records/forks/database/${serverName}/${at}.json`

const contextOf = (store: MemoryStore): FlatContext =>
  ({ records: recordsIn(store, { warning: () => undefined }) }) as unknown as FlatContext

/** Of pg-dc-c, which follows pg-dc-a under the name that it has now. */
const partedIn = (store: MemoryStore, instance: InstanceStatus, systemID?: string) =>
  partedBy(
    database,
    cluster(
      'pg-dc-c',
      {
        replica: { self: 'pg-dc-c', primary: 'pg-dc-a', source: 'pg-dc-a' },
        externalClusters: [{ name: 'pg-dc-a', plugin: { parameters: { serverName: 'pg-dc-a-g1' } } }],
      },
      { systemID },
    ),
    instance,
    contextOf(store),
  )

describe('a follower whose timeline is the one that a failover ended', () => {
  test('has parted where it is of that database', async () => {
    const store = await witnessWith({ ...fork, systemId: OLD })
    expect(await partedIn(store, { ...beyond, systemID: OLD })).toMatchObject({ serverName: 'pg-dc-a-g0' })
    expect(await partedIn(store, beyond, OLD)).toMatchObject({ serverName: 'pg-dc-a-g0' })
  })

  test('has not parted where its database was made anew, and counts its timelines from 1 again', async () => {
    const store = await witnessWith({ ...fork, systemId: OLD })
    expect(await partedIn(store, { ...beyond, systemID: NEW })).toBeNull()
    expect(await partedIn(store, beyond, NEW)).toBeNull()
  })

  test('has parted where the record, or the follower, does not say of which database it is', async () => {
    expect(await partedIn(await witnessWith(fork), { ...beyond, systemID: NEW })).not.toBeNull()
    expect(await partedIn(await witnessWith({ ...fork, systemId: OLD }), beyond)).not.toBeNull()
  })
})

describe('a damaged record of a fork', () => {
  const damaged = { at: 7 }

  test('of another incarnation than the one that is followed stops no rejoin, and hides no sound one', async () => {
    const store = await witnessWith()
    await store.create(keyOf({ serverName: 'pg-dc-b-g7', at: '2026-11-22T06:00:00Z' }), damaged)
    expect(await partedIn(store, beyond)).toBeNull()
    await store.create(keyOf(fork), fork as unknown as JsonObject)
    expect(await partedIn(store, beyond)).toMatchObject({ serverName: 'pg-dc-a-g0' })
  })

  test('of the one that is followed is an error: the answer is unknown', async () => {
    const store = await witnessWith(fork)
    await store.create(keyOf({ serverName: 'pg-dc-a-g1', at: '2026-11-22T06:00:00Z' }), damaged)
    await expect(partedIn(store, beyond)).rejects.toMatchObject({ code: 'witness-damaged' })
  })
})

describe('the record of a fork', () => {
  test('names the database, as the promotion saw it', async () => {
    const store = memoryStore()
    const parameters = {
      serverName: 'pg-dc-a-g0',
      cluster: 'pg-dc-a',
      lostSite: 'dc-a',
      successor: 'pg-dc-b',
      promotion: 'promotion',
    }
    const markedAfter = async (begunAt: string, systemId: string): Promise<JsonObject | undefined> => {
      const proofOf = () => ({ forkedFrom: 3, forkedAt: '0/9000000', systemId })
      const run = {
        step: { id: 'mark-fork', parameters },
        component: database,
        context: contextOf(store),
        signal: new AbortController().signal,
        begunAt,
        proofOf,
      }
      await behaviourOf(markFork).apply?.(run as unknown as FlatRun<typeof database.spec>)
      return store.documents.get(keyOf({ serverName: 'pg-dc-a-g0', at: begunAt }))?.body
    }
    expect(await markedAfter(fork.at, OLD)).toEqual({ ...fork, systemId: OLD })
    // A later run: what no process has seen is not recorded.
    const later = '2026-11-21T07:00:00Z'
    expect(await markedAfter(later, '')).toEqual({ ...fork, at: later })
  })
})
