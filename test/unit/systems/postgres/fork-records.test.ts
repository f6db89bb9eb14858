import { describe, expect, test } from '@jest/globals'
import type { ComponentName } from '../../../../src/domain/stack.ts'
import { type ForkRecord, forkBefore, type Replica } from '../../../../src/systems/postgres/fork-records.ts'
import type { Records } from '../../../../src/witness/records.ts'

const fork: ForkRecord = {
  schemaVersion: 1,
  serverName: 'old-g1',
  cluster: 'old',
  site: 'dc-a',
  forkedAt: '0/7000000',
  forkedFrom: 3,
  successor: 'new',
  at: '2026-11-21T06:00:00.000Z',
  systemId: '77',
}
const replica: Replica = {
  follows: 'old',
  followsArchive: 'old-g1',
  replayLsn: '0/7000001',
  timeline: 3,
  systemId: '77',
}
/** Records by their names below the component. */
const around = (forks: readonly ForkRecord[]) => ({
  component: 'database' as ComponentName,
  records: {
    newest: async (_kind: string, prefix: string, _document: object, meant: (record: ForkRecord) => boolean) => {
      const found = forks.find((one) => `database/${one.serverName}/${one.at}`.startsWith(prefix) && meant(one))
      return found === undefined ? null : { name: found.at, record: found }
    },
  } as unknown as Records,
})

describe('a replica can never follow a new history', () => {
  test('once it has replayed one byte beyond the end of the old one', async () => {
    expect(await forkBefore(around([fork]), replica)).toBe(fork)
    expect(await forkBefore(around([fork]), { ...replica, replayLsn: '0/7000000' })).toBeNull()
    expect(await forkBefore(around([fork]), { ...replica, replayLsn: null })).toBeNull()
  })
  test('by the timeline that was left, also where the old primary has a new name in the archive by now', async () => {
    const renamed = { ...replica, followsArchive: 'old-g2' }
    expect(await forkBefore(around([fork]), renamed)).toBe(fork)
    expect(await forkBefore(around([fork]), { ...renamed, timeline: 4 })).toBeNull()
  })
  test('by the record of its own database and primary; a record of another one says nothing', async () => {
    expect(await forkBefore(around([fork]), { ...replica, systemId: '78' })).toBeNull()
    expect(await forkBefore(around([fork]), { ...replica, systemId: null })).toBe(fork)
    expect(await forkBefore(around([fork]), { ...replica, follows: 'third' })).toBeNull()
  })
})
