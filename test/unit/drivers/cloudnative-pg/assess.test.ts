import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Finding, Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { assessStatus, assessSwitchover } from '../../../../src/drivers/cloudnative-pg/assess/assess.ts'
import type { InstanceStatus } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgState } from '../../../../src/drivers/cloudnative-pg/observe.ts'
import { gapsOf, positionOf } from '../../../../src/drivers/cloudnative-pg/position.ts'
import { gapBetween } from '../../../../src/systems/postgres/server-position.ts'
import { backup, type Change, MB16, primary, replica, secrets, states } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const now = '2026-11-21T06:00:00Z'
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const intent: Intent = { mode: 'switchover', from: dcA, to: dcB }

const stack = databaseStack()
const assess = (seen: Record<string, Observed<CloudNativePgState>>, wanted: Intent | null = intent): Finding[] => {
  const around = { now, objectives: stack.objectives, activeSite: 'dc-a', stack }
  return wanted === null
    ? assessStatus(theDatabase(), seen, around)
    : assessSwitchover(theDatabase(), seen, wanted, around)
}
/** That operators differ has a test of its own (assess-settings.test.ts). */
const codes = (change: Change): string[] =>
  assess(states(change))
    .filter(({ code }) => code !== 'operators-differ')
    .map((finding) => `${finding.severity} ${finding.code}@${finding.site}`)

describe('what stands against a switchover', () => {
  test('nothing, when both sides are well', () => expect(codes({})).toEqual([]))

  test('what an interrupted demotion left on a primary does not: the move clears it', () => {
    expect(codes({ a: { status: { switchReplicaClusterStatus: { inProgress: true } } } })).toEqual([
      'warning database-switch-left@dc-a',
    ])
  })

  const blockers: [string, Change, string][] = [
    [
      'a used token on the primary, which the condition Ready hides',
      { a: { spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-a', promotionToken: 'x' } } } },
      'promotion-token-left@dc-a',
    ],
    [
      'a fence, which the phase hides',
      { b: { annotations: { 'cnpg.io/fencedInstances': '["*"]' } } },
      'database-fenced@dc-b',
    ],
    ['a hibernated side', { b: { annotations: { 'cnpg.io/hibernation': 'on' } } }, 'database-hibernated@dc-b'],
    [
      'a primary that does not answer, although its phase says healthy',
      { a: { instance: null } },
      'database-not-answering@dc-a',
    ],
    ['a phase that is not healthy', { b: { status: { phase: 'Failing over' } } }, 'database-not-healthy@dc-b'],
    ['an instance that is not ready', { b: { status: { readyInstances: 0 } } }, 'database-not-ready@dc-b'],
    [
      'a demotion under way',
      {
        a: {
          spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
          status: { switchReplicaClusterStatus: { inProgress: true } },
        },
      },
      'database-switching@dc-a',
    ],
    ['a switchover inside a site', { a: { status: { targetPrimary: 'pg-dc-a-2' } } }, 'local-switchover@dc-a'],
    [
      'an archive that fails: the demotion would wait for it',
      { a: { status: { conditions: [{ type: 'ContinuousArchiving', status: 'False' }] } } },
      'archiving-failing@dc-a',
    ],
    [
      'a delayed replica',
      { b: { spec: { replica: { self: 'pg-dc-b', primary: 'pg-dc-a', minApplyDelay: '8h' } } } },
      'delayed-replica@dc-b',
    ],
    [
      'a restart that waits for a person',
      { b: { spec: { primaryUpdateStrategy: 'supervised' } } },
      'restart-supervised@dc-b',
    ],
    [
      'an operator without archive plugins',
      { a: { instance: { instanceManagerVersion: '1.25.3' } } },
      'operator-too-old@dc-a',
    ],
    ['a backup that runs', { backups: [backup('running')] }, 'backup-running@dc-a'],
    [
      'a backup that hangs and blocks the later ones',
      { backups: [backup('walArchivingFailing')] },
      'backup-running@dc-a',
    ],
    ['two databases that are no copies of each other', { b: { status: { systemID: '78' } } }, 'another-database@dc-b'],
    [
      'a replica of another cluster',
      { b: { spec: { replica: { self: 'pg-dc-b', primary: 'pg-dc-c' } } } },
      'follows-another@dc-b',
    ],
    ['a history that parted', { b: { instance: { timeLineID: 4 } } }, 'history-forked@dc-b'],
    ['a replay that is paused', { b: { instance: { replayPaused: true } } }, 'replay-paused@dc-b'],
    [
      'a replica that is too far behind',
      {
        b: { instance: { replayLsn: '0/100000' } },
        a: { instance: { lastArchivedWAL: '000000030000000000000028', currentLsn: '0/29000000' } },
      },
      'too-far-behind@dc-b',
    ],
    ['passwords that differ', { b: { secrets: { ...secrets, 'pg-infisical': 'other' } } }, 'secrets-differ@dc-b'],
    ['a password that is missing', { b: { secrets: { ...secrets, 'pg-infisical': null } } }, 'secrets-differ@dc-b'],
  ]
  test.each(blockers)('%s', (_, change, expected) => expect(codes(change)).toContain(`blocker ${expected}`))

  const warnings: [string, Change, string][] = [
    [
      'a slow restart after the promotion',
      { b: { spec: { smartShutdownTimeout: undefined } } },
      'smart-shutdown-slow@dc-b',
    ],
    [
      'a replica on an older timeline',
      { b: { instance: { timeLineID: 2, replayLsn: '0/8FFFFFF' } } },
      'timelines-differ@dc-b',
    ],
    [
      'a replica on an older timeline, of a primary that has shipped nothing on its own',
      { a: { instance: { lastArchivedWAL: '000000020000000000000008' } }, b: { instance: { timeLineID: 2 } } },
      'timelines-differ@dc-b',
    ],
    [
      'an archive that a move left and did not come back to',
      {
        b: {
          spec: {
            externalClusters: [
              { name: 'pg-dc-a', plugin: { parameters: { barmanObjectName: 'database-no-archive' } } },
            ],
          },
        },
      },
      'archive-left@dc-b',
    ],
    [
      'a replica that a move made ready for its promotion, and did not promote',
      { b: { instance: { lastArchivedWAL: '000000030000000000000003', lastArchivedWALTime: '2026-11-21T05:40:00Z' } } },
      'replica-ships-nothing@dc-b',
    ],
    [
      'a second promotion after the first',
      { b: { spec: { primaryUpdateMethod: 'switchover' } } },
      'restart-by-switchover@dc-b',
    ],
    [
      'an operator that may lose the token',
      { a: { instance: { instanceManagerVersion: '1.29.1' } } },
      'operator-old@dc-a',
    ],
    [
      'a plugin that reads from the wrong store',
      { b: { status: { pluginStatus: [{ name: 'barman-cloud.cloudnative-pg.io', version: '0.13.0' }] } } },
      'plugin-old@dc-b',
    ],
    [
      'a stream that is declared and does not run',
      { b: { instance: { isWalReceiverActive: false } } },
      'not-streaming@dc-b',
    ],
    ['no backup', { backups: [] }, 'no-backup@dc-a'],
    [
      'a backup of a cluster that a rejoin replaced, and no other',
      { backups: [backup('completed', undefined, { pluginMetadata: { clusterUID: 'uid-of-the-former' } })] },
      'no-backup@dc-a',
    ],
    [
      'a backup that lies in another archive, and no other',
      { backups: [backup('completed', undefined, { serverName: 'pg-dc-a-g0' })] },
      'no-backup@dc-a',
    ],
    [
      'a backup older than the objective',
      { backups: [backup('completed', '2026-11-19T02:15:30Z')] },
      'backup-old@dc-a',
    ],
  ]
  test.each(warnings)('%s is reported, and blocks nothing', (_, change, expected) =>
    expect(codes(change)).toEqual([`warning ${expected}`]),
  )

  test('a replica that has replayed the new timeline, and only has not written it down, is well', () => {
    expect(codes({ b: { instance: { timeLineID: 2 } } })).toEqual(['info timelines-differ@dc-b'])
    expect(codes({ b: { instance: { timeLineID: 2, isWalReceiverActive: false } } })).toContain(
      'warning timelines-differ@dc-b',
    )
  })

  test.each(['1.28.4', '1.29.2', '1.30.0', '1.30.5', '1.31.0', '2.0.0'])('operator %s is good', (version) => {
    expect(codes({ a: { instance: { instanceManagerVersion: version } } })).toEqual([])
  })
  test.each(['1.26.0', '1.27.4', '1.28.3', '1.29.0'])('operator %s is old', (version) => {
    expect(codes({ a: { instance: { instanceManagerVersion: version } } })).toEqual(['warning operator-old@dc-a'])
  })

  test('the cure of a used token is one command', () => {
    const found = assess(
      states({ a: { spec: { replica: { self: 'pg-dc-a', primary: 'pg-dc-a', promotionToken: 'x' } } } }),
    )
    expect(found.find((finding) => finding.code === 'promotion-token-left')?.next).toContain(
      '{"spec":{"replica":{"promotionToken":null}}}',
    )
  })
  test('a silent side blocks a move, and a status reports it', () => {
    const seen = { ...states(), 'dc-b': { kind: 'silent', why: 'no answer within 3.0 s' } as const }
    expect(assess(seen).map((finding) => `${finding.severity} ${finding.code}`)).toEqual(['blocker database-silent'])
    expect(assess(seen, null).map((finding) => `${finding.severity} ${finding.code}`)).toEqual([
      'warning database-silent',
    ])
  })
  test('passwords that may not be read are not compared', () => expect(codes({ b: { secrets: {} } })).toEqual([]))
  test('no finding holds a digest of a password', () => {
    expect(
      JSON.stringify(assess(states({ b: { secrets: { ...secrets, 'pg-infisical': 'digest-of-b' } } }))),
    ).not.toMatch(/digest-of-b|"two"/)
  })
})

describe('how far the passive side is behind', () => {
  const at = (instance: InstanceStatus | null, segmentBytes = MB16) =>
    positionOf({ systemId: '77', instance, segmentBytes, upstream: null })
  test('nothing, when it replayed all that was written', () => {
    expect(gapsOf(states(), dcA, now)).toEqual({ 'dc-b': { segments: 0, bytes: 0, seconds: 0 } })
  })
  test('bytes against what was written, segments against what was shipped, seconds since it was', () => {
    const gap = gapBetween(at({ ...primary, currentLsn: '0/9000500' }), at({ ...replica, replayLsn: '0/8000000' }), now)
    expect(gap).toEqual({ segments: 1, bytes: 0x1000500, seconds: 10 })
  })
  test('is unknown when one side does not answer, never 0', () => {
    expect(gapBetween(null, at(replica), now)).toEqual({ segments: null, bytes: null, seconds: null })
    expect(gapBetween(at(primary), at(null), now)).toEqual({ segments: null, bytes: null, seconds: null })
  })
  test('is never negative', () => {
    const lsn = fc
      .bigInt({ min: 0n, max: (1n << 40n) - 1n })
      .map((n) => `${(n >> 32n).toString(16)}/${(n & 0xffffffffn).toString(16)}`)
    fc.assert(
      fc.property(lsn, lsn, (currentLsn, replayLsn) => {
        const gap = gapBetween(at({ ...primary, currentLsn }), at({ ...replica, replayLsn }), now)
        expect(gap.bytes).toBeGreaterThanOrEqual(0)
        expect(gap.segments).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

test.each<[string, Intent | null]>([
  ['a status', null],
  ['a switchover', intent],
])('a missing database of the active site blocks %s, and leads to the copy instead of to a deploy', (_, wanted) => {
  const absent = { kind: 'absent', why: 'there is no Cluster infisical/pg-dc-a' } as const
  expect(assess({ ...states(), 'dc-a': absent }, wanted).find(({ site }) => site === 'dc-a')).toMatchObject({
    code: 'active-database-missing',
    severity: 'blocker',
    next: expect.stringContaining('standby failover plan --mode failover --to dc-b'),
  })
})

test('two databases with different system ids lead to a question, and to no clone', () => {
  const found = assess(states({ b: { status: { systemID: '88' } } }), null).find(
    ({ code }) => code === 'another-database',
  )
  expect(found?.next).toMatch(/^Find out which of the two holds your data/)
})
