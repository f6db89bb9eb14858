import { describe, expect, test } from '@jest/globals'
import { FENCE_LEVELS } from '../../../../src/domain/fence-levels.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import { type Intent, PHASES, type PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { accessOf } from '../../../../src/drivers/cloudnative-pg/access.ts'
import type { Upstream } from '../../../../src/drivers/cloudnative-pg/failover/upstream.ts'
import type { CloudNativePgState } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { nextServerName } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { orderProblems } from '../../../../src/planning/order-steps.ts'
import { reachFrom } from '../../../../src/systems/postgres/wal.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { type Change, cluster, MB16, states } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const now = '2026-11-21T06:00:00Z'
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const failover: Intent = { mode: 'failover', from: dcA, to: dcB }
const rejoin: Intent = { mode: 'rejoin', from: dcB, to: dcA }
const database = theDatabase()
const stack = databaseStack(database)
type Seen = Record<string, Observed<CloudNativePgState>>

const upstream: Upstream = {
  cluster: 'pg-dc-a',
  serverName: 'pg-dc-a-g1',
  silent: null,
  newest: { segment: '000000030000000000000008', at: '2026-11-21T05:59:48Z' },
  closable: true,
}
const externals = (peer: string, serverName: string) => ({
  externalClusters: [{ name: peer, plugin: { parameters: { serverName } } }],
})
/** dc-a is silent; dc-b follows it, as far as it could. */
const lost = (b: Change['b'] = {}): Seen => ({
  ...states({ b: { upstream, ...b } }),
  'dc-a': { kind: 'silent', why: 'no answer within 3 s' },
})
/** dc-b was promoted; dc-a came back and believes that it is the primary. */
const returned = (a: Change['a'] = {}): Seen =>
  states({
    a: { spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-a', source: 'pg-dc-b' } }, ...a },
    b: {
      spec: {
        replica: { self: 'pg-dc-b', primary: 'pg-dc-b', source: 'pg-dc-a' },
        ...externals('pg-dc-a', 'pg-dc-a-g1'),
      },
      instance: { isPrimary: true, timeLineID: 4, currentLsn: '0/A000000' },
    },
  })
const move = (seen: Seen): PlannedStep[] => cloudNativePg.move?.(database, seen, failover, stack) ?? []
const ids = (steps: readonly PlannedStep[]): string[] => steps.map(({ id }) => id)
const step = (steps: readonly PlannedStep[], action: string) => steps.find((one) => one.action === action)
const codes = (seen: Seen, intent: Intent): string[] =>
  cloudNativePg
    .assess(database, seen, intent, { now, objectives: stack.objectives, activeSite: intent.from, stack })
    .map((finding) => `${finding.severity} ${finding.code}@${finding.site}`)

describe('the steps of a failover', () => {
  test('act on no site but the one that takes over, and wait for no other', () => {
    for (const seen of [lost(), lost({ upstream: null }), states({ b: { upstream } })]) {
      const steps = move(seen)
      expect(steps.filter(({ site }) => site !== null && site !== 'dc-b')).toEqual([])
      expect(steps.flatMap(({ needs }) => needs).filter((need) => !ids(steps).includes(need))).toEqual([])
      expect(orderProblems(steps)).toEqual([])
    }
  })
  test('close the archive before it is drained, and drain it before anything is promoted', () => {
    const steps = move(lost())
    expect(step(steps, 'drain-archive')?.needs).toEqual(['database.close-archive@dc-a'])
    expect(step(steps, 'promote-without-token')?.needs).toContain('database.drain-archive@dc-b')
    for (const action of ['close-archive', 'drain-archive'])
      expect(PHASES.indexOf(step(steps, action)?.phase ?? 'CLOSED')).toBeLessThan(PHASES.indexOf('PROMOTE'))
    expect(steps.filter(({ irreversible }) => irreversible).map(({ action }) => action)).toEqual([
      'promote-without-token',
    ])
  })
  test('close no archive that is silent, or that this identity may not close: such a plan does not claim that level', () => {
    for (const weaker of [{ silent: 'no answer' }, { closable: false }])
      expect(move(lost({ upstream: { ...upstream, ...weaker } })).filter(({ fence }) => fence !== undefined)).toEqual(
        [],
      )
    expect(step(move(lost()), 'close-archive')).toMatchObject({ fence: 'archive', site: null })
    expect(FENCE_LEVELS).toContain('archive')
  })
  test('end with a backup of the new history, and with a word in the witness about the old one', () => {
    for (const action of ['mark-fork', 'archive-checkpoint', 'backup', 'manifest'])
      expect(step(move(lost()), action)?.phase).toBe('PROTECT')
    expect(step(move(lost()), 'follow')).toBeUndefined()
  })
  test('that were taken before the point of no return can be taken back', () => {
    const before = [...move(lost()), ...(cloudNativePg.fence?.(database, returned(), failover, stack) ?? [])].filter(
      ({ action }) => ['fence', 'close-archive'].includes(action),
    )
    for (const one of before) {
      expect(cloudNativePg.behaviours[one.action]?.undo).toBeDefined()
      expect(cloudNativePg.behaviours[one.action]?.undone).toBeDefined()
    }
    expect(before).toHaveLength(2)
  })
  test('each have a behaviour and a deadline', () => {
    for (const one of [...move(lost()), ...(cloudNativePg.rejoin?.(database, returned(), rejoin, stack) ?? [])]) {
      expect(cloudNativePg.behaviours[one.action]).toBeDefined()
      expect(one.deadline).toBeGreaterThan(one.expected)
    }
  })
})

describe('a fence', () => {
  const fence = (seen: Seen) => cloudNativePg.fence?.(database, seen, failover, stack) ?? []
  test('is put on a side that may write', () =>
    expect(fence(states())).toMatchObject([{ site: 'dc-a', phase: 'FENCE', fence: 'database' }]))
  test('is put on a side whose primary does not answer: it may start any moment', () =>
    expect(fence(states({ a: { instance: null } }))).toHaveLength(1))
  test('is put on a replica that was promoted without the operator', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      instance: { isPrimary: true },
    }
    expect(fence(states({ a }))).toHaveLength(1)
  })
  test('is put on a side that died amid its demotion: it follows by its specification, and its data are those of a primary', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      status: { switchReplicaClusterStatus: { inProgress: true } },
      instance: null,
    }
    expect(fence(states({ a }))).toHaveLength(1)
  })
  test('is nothing for a side that follows, or that cannot be reached', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      instance: { isPrimary: false },
    }
    expect(fence(states({ a }))).toEqual([])
    expect(fence(lost())).toEqual([])
  })
})

describe('the loss that is predicted', () => {
  const loss = (seen: Seen) => cloudNativePg.loss?.(database, seen, failover, now)
  test('ends at the newest shipment: all that came later may be gone', () =>
    expect(loss(lost())).toMatchObject({ bytes: [0, null], seconds: [0, 12] }))
  test('counts what the replica received and shipped itself, when the archive is silent', () => {
    const instance = { lastArchivedWALTime: '2026-11-21T05:59:55Z', lastArchivedWAL: '000000030000000000000008' }
    const silent = { ...upstream, silent: 'no answer', newest: null }
    expect(loss(lost({ upstream: silent, instance }))?.seconds).toEqual([0, 5])
    expect(loss(lost({ upstream: silent, instance }))?.why).toContain('archive does not answer')
    expect(loss(lost({ upstream: silent, instance }))?.why).toContain("the replica's own figure")
  })
  test("is not made smaller by the replica's own shipping, which comes later than its receipt", () => {
    const shipped = (lastArchivedWAL: string) => ({ lastArchivedWALTime: '2026-11-21T05:59:59Z', lastArchivedWAL })
    for (const segment of ['000000030000000000000008', '000000030000000000000007'])
      expect(loss(lost({ instance: shipped(segment) }))?.seconds).toEqual([0, 12])
    // What the lost site received no confirmation for, and the replica had by streaming.
    expect(loss(lost({ instance: shipped('000000030000000000000009') }))?.seconds).toEqual([0, 1])
  })
  test('names what lies after a hole in the archive, and so does a finding', () => {
    const holed = lost({ upstream: { ...upstream, beyond: '00000003000000000000000A' } })
    expect(loss(holed)?.why).toContain('00000003000000000000000A comes after a hole')
    expect(codes(holed, failover)).toEqual(['warning archive-hole@dc-b'])
  })
  test('has no upper end when nothing bounds it', () => {
    expect(loss(lost({ upstream: { ...upstream, newest: null } }))).toMatchObject({
      bytes: [0, null],
      seconds: [0, null],
    })
    expect(loss({ 'dc-a': { kind: 'silent', why: '' }, 'dc-b': { kind: 'silent', why: '' } })).toMatchObject({
      seconds: [0, null],
    })
  })
  test('is counted in bytes against a primary that still answers', () => {
    expect(loss(states({ a: { instance: { currentLsn: '0/9000100' } }, b: { upstream } }))).toMatchObject({
      bytes: [0, 256],
      seconds: [0, 12],
    })
    expect(loss(states({ b: { upstream } }))).toMatchObject({ bytes: [0, 0], seconds: [0, 0] })
  })
  test('grows with the clock, and what is likely does not: a primary that was written to would have shipped again', () => {
    const later = (minutes: number) => new Date(Date.parse(now) + minutes * 60_000).toISOString()
    const deaf = (b: Change['b'] = {}) => lost({ ...b, instance: { isWalReceiverActive: false, ...b?.instance } })
    const at = (minutes: number, seen = deaf()) => cloudNativePg.loss?.(database, seen, failover, later(minutes))
    expect(at(4)).toMatchObject({ seconds: [0, 252] })
    expect(at(4)).not.toHaveProperty('likely')
    expect(at(60)).toMatchObject({
      seconds: [0, 3_612],
      likely: 300,
      why: expect.stringContaining('at least every 5 min (archive_timeout)'),
    })
    expect(at(600)).toMatchObject({ seconds: [0, 36_012], likely: 300 })
    const declared = (archive_timeout: string) => deaf({ spec: { postgresql: { parameters: { archive_timeout } } } })
    expect([at(60, declared('60s'))?.likely, at(60, declared('2min'))?.likely, at(60, declared('90'))?.likely]).toEqual(
      [60, 120, 90],
    )
  })
  test('has no likely figure where the archive is silent or has a hole, the primary is seen to live, or only full segments are shipped', () => {
    const deaf = { isWalReceiverActive: false }
    const hour = new Date(Date.parse(now) + 3_600_000).toISOString()
    const never = { postgresql: { parameters: { archive_timeout: '0' } } }
    const seen = [
      lost({ instance: deaf, upstream: { ...upstream, beyond: '00000003000000000000000A' } }),
      lost({
        instance: { ...deaf, lastArchivedWALTime: now, lastArchivedWAL: 'x' },
        upstream: { ...upstream, silent: 'no answer' },
      }),
      lost({ instance: { isWalReceiverActive: true } }),
      lost({ instance: deaf, spec: never }),
      states({ a: { instance: { currentLsn: '0/9000100' } }, b: { upstream, instance: deaf } }),
    ]
    for (const one of seen) expect(cloudNativePg.loss?.(database, one, failover, hour)).not.toHaveProperty('likely')
  })
  test('is none of a planned move', () =>
    expect(cloudNativePg.loss?.(database, states(), { ...failover, mode: 'switchover' }, now)).toBeNull())
})

describe('what an archive still gives to a follower', () => {
  const wal = (...numbers: number[]) => numbers.map((n) => `00000001000000000000000${n.toString(16).toUpperCase()}`)
  const at = (segment: number, offset = 0) => BigInt(segment) * 16n * 1024n * 1024n + BigInt(offset)
  test('is segment after segment, to the newest', () =>
    expect(reachFrom(wal(3, 4, 5), at(4, 100), MB16).last?.end).toBe(at(6)))
  test('is nothing to one that stands at its end', () =>
    expect(reachFrom(wal(3, 4, 5), at(6), MB16)).toEqual({ last: null, beyond: null }))
  test('ends at a hole, and what lies after it is named', () => {
    expect(reachFrom(wal(3, 5, 6), at(3, 1), MB16)).toMatchObject({
      last: { end: at(4) },
      beyond: '000000010000000000000005',
    })
  })
  test('goes on over a change of timeline', () => {
    expect(
      reachFrom([...wal(3, 4), '000000020000000000000004', '000000020000000000000005'], at(3), MB16),
    ).toMatchObject({
      last: { timeline: 2, end: at(6) },
    })
  })
  test('counts neither histories nor partial segments', () => {
    expect(reachFrom([...wal(3), '00000002.history', '000000010000000000000004.partial'], at(3), MB16).last?.end).toBe(
      at(4),
    )
  })
})

describe('what stands against a failover', () => {
  test('is nothing when the follower is well, whatever the lost side says or does not say', () => {
    expect(codes(lost(), failover)).toEqual([])
    expect(codes({ ...states({ b: { upstream } }), 'dc-a': { kind: 'absent', why: 'gone' } }, failover)).toEqual([])
    expect(
      codes(states({ a: { status: { phase: 'Failing over' }, instance: null }, b: { upstream } }), failover),
    ).toEqual([])
  })
  const blockers: [string, Change['b'], string][] = [
    [
      'a follower of another cluster',
      { spec: { replica: { self: 'pg-dc-b', primary: 'pg-dc-c', source: 'pg-dc-c' } } },
      'follows-another',
    ],
    ['a side that is a primary already', { instance: { isPrimary: true } }, 'not-a-replica'],
    ['a fence', { annotations: { 'cnpg.io/fencedInstances': '["*"]' } }, 'database-fenced'],
    ['no instance that is ready', { status: { readyInstances: 0 } }, 'database-not-ready'],
    ['a primary pod that does not answer', { instance: null }, 'database-not-answering'],
    [
      'delayed replay',
      { spec: { replica: { self: 'pg-dc-b', primary: 'pg-dc-a', minApplyDelay: '1h' } } },
      'delayed-replica',
    ],
    ['paused replay', { instance: { replayPaused: true } }, 'replay-paused'],
    ['a missing Secret', { secrets: { 'pg-superuser': null } }, 'secret-missing'],
  ]
  test.each(blockers)('is %s', (_, b, code) => expect(codes(lost(b), failover)).toContain(`blocker ${code}@dc-b`))
  test('is not what only a planned move waits for', () => {
    const b = {
      status: { readyInstances: 1, conditions: [{ type: 'ContinuousArchiving', status: 'False' }] },
      spec: { instances: 2 },
    }
    expect(codes(lost(b), failover)).toEqual(['warning database-not-ready@dc-b', 'warning archiving-failing@dc-b'])
  })
  test('says that a silent archive, or one that no identity may close, weakens it', () => {
    expect(codes(lost({ upstream: { ...upstream, silent: 'x' } }), failover)).toEqual(['warning archive-silent@dc-b'])
    expect(codes(lost({ upstream: { ...upstream, closable: false } }), failover)).toEqual([
      'info archive-not-closable@dc-b',
    ])
  })
})

describe('a lost primary that shipped a moment ago', () => {
  const shipped = (at: string, b: Change['b'] = {}) =>
    codes(lost({ upstream: { ...upstream, newest: { segment: upstream.newest?.segment ?? '', at } }, ...b }), failover)
  const deaf = { instance: { isWalReceiverActive: false } }
  const WARNED = ['warning archive-still-grows@dc-b']
  test('is a warning to a follower without a stream, also by a clock that is a little ahead', () => {
    expect(shipped('2026-11-21T05:59:48Z', deaf)).toEqual(WARNED)
    expect(shipped('2026-11-21T06:00:05Z', deaf)).toEqual(WARNED)
  })
  test('is none when that is longer ago, nothing was shipped, or a stream says more', () => {
    expect(shipped('2026-11-21T05:59:29Z', deaf)).toEqual([])
    expect(shipped('2026-11-21T06:10:00Z', deaf)).toEqual([])
    expect(codes(lost({ ...deaf, upstream: { ...upstream, newest: null } }), failover)).toEqual([])
    expect(shipped('2026-11-21T05:59:48Z')).toEqual([])
  })
  test('is measured by its own archive_timeout', () => {
    const every5 = { ...deaf, spec: { postgresql: { parameters: { archive_timeout: '5s' } } } }
    expect(shipped('2026-11-21T05:59:48Z', every5)).toEqual([])
    expect(shipped('2026-11-21T05:59:51Z', every5)).toEqual(WARNED)
  })
  test('holds no failover up: it is no sighting', () =>
    expect(cloudNativePg.sees?.(database, lost(deaf), dcA)).toEqual([]))
})

describe('another site is seen', () => {
  const sees = (seen: Seen, site = dcA) => cloudNativePg.sees?.(database, seen, site)
  test('alive by a stream from it', () => expect(sees(lost())).toMatchObject([{ says: 'up' }]))
  test('not dead by a stream that is missing', () =>
    expect(sees(lost({ instance: { isWalReceiverActive: false } }))).toEqual([]))
  test('by no signal when no site answers, and never by itself', () => {
    expect(sees({ ...lost(), 'dc-b': { kind: 'silent', why: '' } })).toEqual([])
    expect(sees(lost(), dcB)).toEqual([])
  })
  test('not by a stream from a third site', () => {
    expect(sees(lost({ spec: { replica: { self: 'pg-dc-b', primary: 'pg-dc-c', source: 'pg-dc-c' } } }))).toEqual([])
  })
})

describe('the rejoin of a former active site', () => {
  const steps = (seen: Seen) => cloudNativePg.rejoin?.(database, seen, rejoin, stack) ?? []
  test('deletes nothing before it is fenced and its WAL is kept, and only the very cluster that was seen', () => {
    const planned = steps(returned())
    expect(orderProblems(planned)).toEqual([])
    expect(step(planned, 'keep-evidence')?.needs).toEqual(['database.fence@dc-a'])
    expect(step(planned, 'remove-cluster')).toMatchObject({
      needs: ['database.keep-evidence@dc-a'],
      irreversible: true,
      parameters: { uid: 'uid-pg-dc-a' },
    })
    expect(step(planned, 'clone')?.needs).toContain('database.remove-cluster@dc-a')
  })
  test('begins an incarnation with an unused name, and gives it to the active side first', () => {
    expect(step(steps(returned()), 'clone')?.parameters.serverName).toBe('pg-dc-a-g2')
    expect(step(steps(returned()), 'clone')?.needs).toContain('database.publish-server-name@dc-b')
    expect(nextServerName('pg-dc-a', ['pg-dc-a-g2', 'pg-dc-a-g9'])).toBe('pg-dc-a-g10')
    expect(nextServerName('pg-dc-a', ['by-hand'])).toBe('pg-dc-a-g2')
  })
  test('ends with a replica that lacks nothing and a backup of the new topology', () => {
    const planned = ids(steps(returned()))
    for (const id of [
      'database.follow@dc-a',
      'database.backup@dc-b',
      'database.manifest@dc-b',
      'database.refresh-streaming@dc-b',
      'database.schedule@dc-a',
    ])
      expect(planned).toContain(id)
  })
  test('of a cluster that is gone clones at once', () => {
    const planned = steps({ ...returned(), 'dc-a': { kind: 'absent', why: 'gone' } })
    expect(planned[0]?.action).toBe('publish-server-name')
    expect(step(planned, 'clone')?.parameters.serverName).toBe('pg-dc-a-g2')
    expect(orderProblems(planned)).toEqual([])
  })
  test('of a cluster that follows already deletes nothing and keeps its incarnation', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      instance: { isPrimary: false },
    }
    const planned = steps(returned(a))
    expect(planned.filter(({ irreversible }) => irreversible)).toEqual([])
    expect(step(planned, 'clone')?.parameters.serverName).toBe('pg-dc-a-g1')
  })
  test('of a cluster that died amid its demotion clones it anew: it follows by its specification alone', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      status: { switchReplicaClusterStatus: { inProgress: true } },
      instance: null,
    }
    const planned = steps(returned(a))
    expect(planned.filter(({ irreversible }) => irreversible).map(({ action }) => action)).toEqual(['remove-cluster'])
    expect(step(planned, 'clone')?.parameters.serverName).toBe('pg-dc-a-g2')
  })
  test('of a cluster that follows, and whose archive a failover closed, clones it anew', () => {
    const a = {
      spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
      instance: { isPrimary: false },
      forked: true,
    }
    expect(step(steps(returned(a)), 'clone')?.parameters.serverName).toBe('pg-dc-a-g2')
  })
  test('is judged by the side that is copied: it must be a primary with a backup', () => {
    expect(codes(returned(), rejoin)).toContain('warning former-primary@dc-a')
    expect(codes(returned(), rejoin)).toContain('blocker no-backup@dc-b')
    expect(codes({ ...returned(), 'dc-a': { kind: 'silent', why: 'x' } }, rejoin)).toContain(
      'blocker database-silent@dc-a',
    )
    expect(codes(states(), rejoin)).toContain('blocker passive-on-active-site@dc-b')
  })
})

test('the mover may delete no cluster but the declared one', () => {
  const rules = accessOf(database, stack).filter(
    (rule) => rule.kind === 'kubernetes' && rule.identity === 'mover' && rule.verbs.includes('delete'),
  )
  expect(rules.length).toBeGreaterThan(0)
  for (const rule of rules)
    expect(rule.kind === 'kubernetes' && rule.resourceNames).toEqual([
      rule.kind === 'kubernetes' && rule.site === 'dc-a' ? 'pg-dc-a' : 'pg-dc-b',
    ])
})

test('a fact about the archive of a cluster is the name that the others know', () => {
  const seen = states({ b: { spec: { ...cluster('pg-dc-b').spec, ...externals('pg-dc-a', 'pg-dc-a-g3') } } })['dc-b']
  expect(seen?.kind === 'answering' && seen.state.peers).toEqual({ 'pg-dc-a': 'pg-dc-a-g3' })
})
