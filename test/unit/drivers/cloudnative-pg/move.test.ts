import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { compare } from '../../../../src/drivers/cloudnative-pg/move/catch-up.ts'
import { demotionOf } from '../../../../src/drivers/cloudnative-pg/move/demote.ts'
import { refusal } from '../../../../src/drivers/cloudnative-pg/move/promote.ts'
import { decodeToken } from '../../../../src/drivers/cloudnative-pg/move/token.ts'
import type { ClusterObject } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const token = (redo: string, timeline = '1', systemId = '77'): string =>
  Buffer.from(
    JSON.stringify({
      latestCheckpointTimelineID: timeline,
      redoWalFile: '00000001000000000000000B',
      databaseSystemIdentifier: systemId,
      latestCheckpointREDOLocation: redo,
      timeOfLatestCheckpoint: 'Sat Nov 21 05:40:54 2026',
      operatorVersion: '1.30.0',
    }),
  ).toString('base64')

const cluster = (spec: ClusterObject['spec'], status: NonNullable<ClusterObject['status']>): ClusterObject => ({
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'Cluster',
  metadata: { name: 'pg-dc-a' },
  spec,
  status,
})
const demoted = (status: NonNullable<ClusterObject['status']>): ClusterObject =>
  cluster(
    { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
    { phase: 'Cluster in healthy state', ...status },
  )

describe('a demotion token', () => {
  test('tells timeline, position and database', () => {
    expect(decodeToken(token('0/B000028'))).toEqual({
      timeline: 1,
      redo: 0xb000028n,
      redoText: '0/B000028',
      systemId: '77',
    })
  })
  test('that is none is not mistaken for one', () => {
    for (const text of ['', 'not base64!', Buffer.from('{}').toString('base64'), token('nowhere'), undefined, null])
      expect(decodeToken(text)).toBeNull()
  })
})

describe('a demotion', () => {
  test('has not begun as long as the cluster names itself as primary', () => {
    const self = cluster({ replica: { self: 'pg-dc-a', primary: 'pg-dc-a' } }, { demotionToken: token('0/B000028') })
    expect(demotionOf(self, 'pg-dc-b').is).toBe('pending')
  })
  test('is not done while the operator is at it, although its phase says healthy and a token is there', () => {
    const status = { demotionToken: token('0/B000028'), switchReplicaClusterStatus: { inProgress: true } }
    expect(demotionOf(demoted(status), 'pg-dc-b').is).toBe('pending')
  })
  test('that hangs on the archive says that it waits for the object store', () => {
    const conditions = [{ type: 'ContinuousArchiving', status: 'False', message: 'connection refused' }] as const
    expect(demotionOf(demoted({ switchReplicaClusterStatus: { inProgress: true }, conditions }), 'pg-dc-b')).toEqual({
      is: 'pending',
      waitingFor: 'the object store of pg-dc-a: connection refused',
    })
  })
  test('hands its token over in the proof', () => {
    const progress = demotionOf(
      demoted({ demotionToken: token('0/B000028'), switchReplicaClusterStatus: { inProgress: false } }),
      'pg-dc-b',
    )
    expect(progress).toEqual({
      is: 'done',
      proof: { token: token('0/B000028'), timeline: 1, redo: '0/B000028', systemId: '77' },
    })
  })
})

describe('before a promotion the replica must be exactly where the token ends', () => {
  const named = decodeToken(token('0/B000028')) ?? { timeline: 0, redo: 0n, redoText: '', systemId: '' }
  const at = (redo: string, timeline = 1, systemId = '77') =>
    compare(named, { redo, timeline, systemId, endIsHere: true }, 'pg-dc-b')
  test('equal: it may be promoted', () => expect(at('0/B000028').is).toBe('done'))
  test('a replica that is behind, or cannot say yet where it is, is waited for', () => {
    expect(at('0/A000028').is).toBe('pending')
    expect(at('').is).toBe('pending')
  })
  test('ahead: a promotion would be refused for good, so it is not tried', () => {
    expect(at('0/B000060')).toMatchObject({ is: 'failed', code: 'replica-ahead-of-token' })
    expect(at('0/B000028', 2)).toMatchObject({ is: 'failed', code: 'replica-ahead-of-token' })
  })
  test('another database: never', () =>
    expect(at('0/B000028', 1, '78')).toMatchObject({ is: 'failed', code: 'another-database' }))
})

test('a token that the operator refuses is read from the phase: Ready stays True', () => {
  const phase = 'Cluster is unrecoverable and needs manual intervention'
  const conditions = [{ type: 'Ready', status: 'True' }] as const
  expect(refusal(cluster({}, { phase, phaseReason: 'Promotion token content is not correct', conditions }))).toContain(
    'token content',
  )
  expect(refusal(cluster({}, { phase: 'Cluster in healthy state' }))).toBeNull()
})

describe('the steps of a switchover', () => {
  const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
  const steps = cloudNativePg.move?.(theDatabase(), {}, intent, databaseStack()) ?? []
  const step = (id: string) => steps.find((one) => one.id === id)

  test('only the promotion is irreversible, and it follows the equality of both sides', () => {
    expect(steps.filter((one) => one.irreversible).map((one) => one.id)).toEqual(['database.promote@dc-b'])
    expect(step('database.promote@dc-b')?.needs).toContain('database.catch-up@dc-b')
    expect(step('database.catch-up@dc-b')?.needs).toContain('database.demote@dc-a')
  })
  test('what users need not wait for comes after they are served', () => {
    const critical = [
      'checkpoint',
      'leave-archive',
      'restart-ahead',
      'second-look',
      'demote',
      'catch-up',
      'promote',
      'restart',
    ]
    for (const one of steps) expect(one.phase === 'PROTECT').toBe(!critical.includes(one.action))
  })
  test('the used token never stays, the archiver is woken, and the new side gets its own backup with a manifest', () => {
    for (const id of [
      'database.clear-token@dc-b',
      'database.archive-checkpoint@dc-b',
      'database.backup@dc-b',
      'database.manifest@dc-b',
      'database.follow@dc-a',
    ])
      expect(step(id)?.phase).toBe('PROTECT')
  })
  test('the demotion can be taken back, the promotion not', () => {
    expect(cloudNativePg.behaviours.demote?.undo).toBeDefined()
    expect(cloudNativePg.behaviours.promote?.undo).toBeUndefined()
  })
  test('each step has a behaviour, a deadline and an expectation', () => {
    for (const one of steps) {
      expect(cloudNativePg.behaviours[one.action]).toBeDefined()
      expect(one.deadline).toBeGreaterThan(one.expected)
    }
  })
})
