import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { drainArchive, drainStep } from '../../../../src/drivers/cloudnative-pg/drain-archive.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { StepRun } from '../../../../src/planning/driver.ts'
import type { Intent } from '../../../../src/planning/plan.ts'
import type { SiteName } from '../../../../src/stack/stack.ts'
import { cluster, replica } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const stack = databaseStack(database)
const wal = (number: number) => `00000003000000000000000${number}`

/** A follower at a position, an archive with some segments (null: it does not answer), and the seconds since the step began. */
function drain(
  replayLsn: string,
  archived: readonly string[] | null,
  options: { answered?: boolean; seconds?: number; primary?: boolean } = {},
) {
  const upstream = {
    cluster: 'pg-dc-a',
    serverName: 'pg-dc-a-g1',
    silent: options.answered === false ? 'no answer' : null,
    newest: null,
    closable: false,
  }
  const instance = { ...replica, replayLsn, isPrimary: options.primary ?? false }
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async () => cluster('pg-dc-b') as never,
    proxyGet: async () => ({ status: 200, body: JSON.stringify(instance) }),
    exec: async () => ({ code: 0, stderr: '', stdout: [replayLsn, '2026-11-21T05:59:58.000Z', '2', '2', '0'].join('\u001f') }),
  }
  const store: Partial<ObjectStoreClient> = {
    async list(prefix, { startAfter = '' } = {}) {
      if (archived === null) throw new Error('no answer')
      const objects = archived.map((name) => ({
        key: `${prefix}${name.slice(0, 16)}/${name}.gz`,
        bytes: 1,
        version: '',
        modified: '2026-11-21T05:59:48Z',
      }))
      return objects.filter(({ key }) => key > startAfter)
    },
  }
  const now = { at: new Date(Date.parse('2026-11-21T06:00:00Z') + (options.seconds ?? 0) * 1_000) }
  const run = {
    step: drainStep(database, intent, upstream),
    component: database,
    intent,
    context: {
      stack,
      kubernetes: () => kubernetes,
      objectStore: () => ({ open: async () => store }),
      clock: { now: () => now.at },
      log: { debug: () => undefined },
    },
    signal: new AbortController().signal,
    begunAt: '2026-11-21T06:00:00Z',
    applied: false,
    proofOf: () => null,
  } as unknown as StepRun<CloudNativePgSpec>
  return { ask: () => drainArchive.done(run), later: (ms: number) => (now.at = new Date(now.at.getTime() + ms)) }
}

describe('what the lost site left in its archive', () => {
  test('is replayed to its end before anything is promoted', async () => {
    expect(await drain('0/9000000', [wal(8), wal(9)]).ask()).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('0/A000000'),
    })
    expect(await drain('0/A000000', [wal(8), wal(9)]).ask()).toMatchObject({ is: 'done', proof: { archive: 'drained' } })
  })
  test('tells the timeline that the follower has not written down yet', async () => {
    expect(await drain('0/A000000', [wal(8), wal(9)]).ask()).toMatchObject({
      proof: { timeline: 3, lastCommitAt: '2026-11-21T05:59:58.000Z' },
    })
  })
  test('can end in a record that nobody has the rest of: a follower that stands still inside the last segment has come as far as it can', async () => {
    const { ask, later } = drain('0/9FFFF80', [wal(9)])
    expect((await ask()).is).toBe('pending')
    later(6_000)
    expect((await ask()).is).toBe('pending')
    later(7_000)
    expect(await ask()).toMatchObject({ is: 'done', proof: { upTo: wal(9), replayed: '0/9FFFF80' } })
  })
  test('is not given up by a follower that stands at the very beginning of a segment: it has not fetched it', async () => {
    const { ask, later } = drain('0/9000000', [wal(8), wal(9)])
    await ask()
    later(60_000)
    expect((await ask()).is).toBe('pending')
  })
  test('behind a hole is named, and not waited for', async () => {
    expect(await drain('0/9000000', [wal(8), '00000003000000000000000B']).ask()).toMatchObject({
      is: 'done',
      proof: { behindAHole: '00000003000000000000000B' },
    })
  })
  test('is waited for when the archive answered to the planner, and hardly when it was silent even then', async () => {
    expect((await drain('0/9000000', null, { seconds: 20 }).ask()).is).toBe('pending')
    expect(await drain('0/9000000', null, { seconds: 31 }).ask()).toMatchObject({ is: 'done', proof: { archive: 'silent' } })
    expect((await drain('0/9000000', null, { answered: false, seconds: 1 }).ask()).is).toBe('pending')
    expect(await drain('0/9000000', null, { answered: false, seconds: 4 }).ask()).toMatchObject({
      is: 'done',
      proof: { archive: 'silent' },
    })
  })
  test('is nothing to a side that somebody has promoted: that one is not promoted again', async () => {
    expect(await drain('0/9000000', [], { primary: true }).ask()).toMatchObject({ is: 'failed', code: 'not-a-replica' })
  })
})
