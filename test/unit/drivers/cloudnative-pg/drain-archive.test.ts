import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import type { AcceptedLoss } from '../../../../src/domain/accepted-loss.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as failover from '../../../../src/drivers/cloudnative-pg/failover/drain-archive.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { SegmentBytes } from '../../../../src/systems/postgres/wal.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, MB16, replica, segmentsOf } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const drainArchive = behaviourOf(failover.drainArchive)
const stack = databaseStack(database)
const wal = (number: number) => `00000003000000000000000${number}`

/**
 * A follower at a position, an archive with some segments (null: it does not answer), and the seconds since the step
 * began.
 */
function drain(
  replayLsn: string,
  archived: readonly string[] | null,
  options: {
    answered?: boolean
    seconds?: number
    primary?: boolean
    acceptLoss?: AcceptedLoss
    files?: readonly string[]
    /** What the plan says of the length of segments, and the follower where it does not. */
    segments?: SegmentBytes | null
    asked?: SegmentBytes
  } = {},
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
    exec: async (_pod, _argv, { stdin = '' } = {}) => ({
      code: 0,
      stderr: '',
      stdout: stdin.includes('wal_segment_size')
        ? String(options.asked ?? '')
        : [replayLsn, '2026-11-21T05:59:58.000Z', (options.files ?? []).join(' '), '2', '2', '0'].join('\u001f'),
    }),
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
    step: planned(
      database,
      failover.drainStep(database, intent, upstream, options.segments === undefined ? MB16 : options.segments),
    ),
    component: database,
    intent: { ...intent, acceptLoss: options.acceptLoss ?? 0 },
    context: {
      stack,
      kubernetes: () => kubernetes,
      objectStore: () => ({ open: async () => store }),
      clock: { now: () => now.at },
      log: { debug: () => undefined, warning: () => undefined },
    },
    signal: new AbortController().signal,
    begunAt: '2026-11-21T06:00:00Z',
    applied: false,
    proofOf: () => null,
  } as unknown as FlatRun<CloudNativePgSpec>
  return {
    ask: () => drainArchive.done(run),
    replay: (lsn: string) => (instance.replayLsn = lsn),
    later: (ms: number) => (now.at = new Date(now.at.getTime() + ms)),
  }
}

describe('what the lost site left in its archive', () => {
  test('is replayed to its end before anything is promoted', async () => {
    expect(await drain('0/9000000', [wal(8), wal(9)]).ask()).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('0/A000000'),
    })
    expect(await drain('0/A000000', [wal(8), wal(9)]).ask()).toMatchObject({
      is: 'done',
      proof: { archive: 'drained' },
    })
  })
  test('tells the timeline that the follower has not written down yet', async () => {
    expect(await drain('0/A000000', [wal(8), wal(9)]).ask()).toMatchObject({
      proof: { timeline: 3, lastCommitAt: '2026-11-21T05:59:58.000Z' },
    })
  })
  test.each<[string, readonly string[], boolean]>([
    ['the segment of the last record and the history of its timeline', [wal(9), '00000003.history'], true],
    ['no history', [wal(9)], false],
    ['no segment', [wal(8), '00000003.history'], false],
  ])('tells whether a promotion could do without it: pg_wal has %s', async (_, files, endIsHere) => {
    expect(await drain('0/A000000', [wal(8), wal(9)], { files }).ask()).toMatchObject({ proof: { endIsHere } })
  })
  test('can end in an incomplete record: a follower that stands still inside the last segment has come as far as it can', async () => {
    const { ask, later } = drain('0/9FFFF80', [wal(9)])
    expect((await ask()).is).toBe('pending')
    later(6_000)
    expect((await ask()).is).toBe('pending')
    later(7_000)
    expect(await ask()).toMatchObject({ is: 'done', proof: { upTo: wal(9), replayed: '0/9FFFF80' } })
  })
  test('is not taken for replayed by a follower that stands still far from the end of the last segment: it had the rest from a stream that ended', async () => {
    const { ask, later, replay } = drain('0/9000800', [wal(9)])
    await ask()
    later(50_000)
    expect(await ask()).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('0/A000000') })
    replay('0/A000000')
    expect(await ask()).toMatchObject({ is: 'done', proof: { archive: 'drained' } })
  })
  test('is waited for by a follower that stands at the very beginning of a segment: it has not fetched it', async () => {
    const { ask, later } = drain('0/9000000', [wal(8), wal(9)])
    await ask()
    later(50_000)
    expect((await ask()).is).toBe('pending')
  })
  test('and cannot be fetched by the follower ends the wait after a minute, where the accepted loss covers it: what is missing is named', async () => {
    const { ask, later } = drain('0/8000000', [wal(7), wal(8), wal(9)], { acceptLoss: 120_000 })
    await ask()
    later(60_000)
    // 62 s after the last commit that it has.
    expect(await ask()).toMatchObject({
      is: 'done',
      proof: {
        archive: 'stuck',
        upTo: null,
        notReplayed: `${wal(8)} to ${wal(9)}`,
        lastCommitAt: '2026-11-21T05:59:58.000Z',
      },
    })
  })
  test('is not given up beyond what was accepted: the text names position, segment and the bound that it takes', async () => {
    const { ask, later } = drain('0/9000000', [wal(8), wal(9)], { acceptLoss: 30_000 })
    await ask()
    later(60_000)
    expect(await ask()).toMatchObject({
      is: 'failed',
      code: 'drain-stuck',
      why: expect.stringMatching(
        /at 0\/9000000 for 1 min.*holds 000000030000000000000009.*1 min 2 s of writes would be lost/,
      ),
      next: expect.stringContaining('--accept-data-loss 32m'),
    })
  })
  test('is given up after a minute where a person has accepted a loss that cannot be measured', async () => {
    const { ask, later } = drain('0/8000000', [wal(7), wal(8), wal(9)], { acceptLoss: 'unknown' })
    await ask()
    later(60_000)
    expect(await ask()).toMatchObject({ is: 'done', proof: { archive: 'stuck' } })
  })
  test('is never given up by a follower that moves', async () => {
    const { ask, later, replay } = drain('0/9000000', [wal(9), '00000003000000000000000A'])
    await ask()
    later(59_000)
    replay('0/9000100')
    await ask()
    later(59_000)
    expect((await ask()).is).toBe('pending')
  })
  test('is drained by the length that its segments have, as planned or as the follower says it', async () => {
    // Two whole ones of 64 MB, of which the first is replayed.
    const archived = ['000000030000000000000004', '000000030000000000000005']
    const waits = { is: 'pending', waitingFor: 'pg-dc-b to replay up to 0/18000000, the end of the archive' }
    expect(await drain('0/14000000', archived, { segments: segmentsOf(64) }).ask()).toEqual(waits)
    expect(await drain('0/14000000', archived, { segments: null, asked: segmentsOf(64) }).ask()).toEqual(waits)
    const files = [...archived, '00000003.history']
    expect(await drain('0/18000000', archived, { segments: null, asked: segmentsOf(64), files }).ask()).toMatchObject({
      is: 'done',
      proof: { archive: 'drained', timeline: 3, endIsHere: true },
    })
  })
  test('is not taken for drained while no site says how long its segments are', async () => {
    expect(await drain('0/14000000', [wal(4)], { segments: null }).ask()).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('how long its WAL segments are'),
    })
  })
  test('after a hole is named, and not waited for', async () => {
    expect(await drain('0/9000000', [wal(8), '00000003000000000000000B']).ask()).toMatchObject({
      is: 'done',
      proof: { behindAHole: '00000003000000000000000B' },
    })
  })
  test('is waited for when the archive answered to the planner, and hardly when it was silent even then', async () => {
    expect((await drain('0/9000000', null, { seconds: 20 }).ask()).is).toBe('pending')
    expect(await drain('0/9000000', null, { seconds: 31 }).ask()).toMatchObject({
      is: 'done',
      proof: { archive: 'silent' },
    })
    expect((await drain('0/9000000', null, { answered: false, seconds: 1 }).ask()).is).toBe('pending')
    expect(await drain('0/9000000', null, { answered: false, seconds: 4 }).ask()).toMatchObject({
      is: 'done',
      proof: { archive: 'silent' },
    })
  })
  test('is nothing to a side that was promoted by hand: that one is not promoted again', async () => {
    expect(await drain('0/9000000', [], { primary: true }).ask()).toMatchObject({ is: 'failed', code: 'not-a-replica' })
  })
})
