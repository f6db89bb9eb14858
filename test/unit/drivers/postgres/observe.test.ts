import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { assessStatus } from '../../../../src/drivers/postgres/assess.ts'
import type { ServerState } from '../../../../src/drivers/postgres/facts.ts'
import { observeServer } from '../../../../src/drivers/postgres/observe.ts'
import { gapsOf } from '../../../../src/drivers/postgres/position.ts'
import { MAY_READ_HISTORY, type PostgresPair, pairContext, startPair } from '../../../support/postgres-pair.ts'
import { around, DC_A, DC_B, databaseOf, eventual } from './database.ts'

let pair: PostgresPair
beforeAll(async () => {
  pair = await startPair()
})
afterAll(() => pair.stop())

const signal = new AbortController().signal
const context = { ...pairContext(signal), signal } as unknown as DriverContext
const observe = (site: typeof DC_A): Promise<Observed<ServerState>> => observeServer(databaseOf(pair), site, context)
const both = async (): Promise<Record<string, Observed<ServerState>>> => ({
  'dc-b': await observe(DC_B),
  'dc-a': await observe(DC_A),
})
const stateOf = (seen: Observed<ServerState> | undefined): ServerState => {
  if (seen?.kind !== 'answering') throw new Error(`it does not answer: ${JSON.stringify(seen)}`)
  return seen.state
}

describe('a PostgreSQL that others run', () => {
  test('is read by a member of pg_monitor: role, timeline, positions, what it follows', async () => {
    const states = await eventual(both, (seen) => stateOf(seen['dc-b']).receiver?.status === 'streaming')
    const [a, b] = [stateOf(states['dc-a']), stateOf(states['dc-b'])]
    expect(states['dc-a']).toMatchObject({ kind: 'answering', role: 'active', health: 'healthy' })
    expect(states['dc-b']).toMatchObject({ kind: 'answering', role: 'passive', health: 'healthy' })
    expect(a).toMatchObject({ inRecovery: false, timeline: 1, segmentBytes: 16_777_216, history: [] })
    expect(b).toMatchObject({ inRecovery: true, timeline: 1, systemId: a.systemId, replayPaused: false })
    expect(b.receiver).toEqual({ status: 'streaming', host: '127.0.0.1', port: pair.servers['dc-a'].port })
    expect(a.senders).toEqual([{ name: 'dc-b', state: 'streaming', sync: 'async' }])
    expect(a.may).toEqual({ promote: true, monitor: true })
    expect(assessStatus(databaseOf(pair), states, around)).toEqual([])
    expect(gapsOf(states, DC_A, around.now)).toEqual({ 'dc-b': { segments: 0, bytes: 0, seconds: 0 } })
  })

  test('is warned of where its replica does not replay, or lacks a right', async () => {
    await pair.servers['dc-b'].sql('SELECT pg_wal_replay_pause()')
    await pair.servers['dc-a'].sql('REVOKE EXECUTE ON FUNCTION pg_promote(boolean, integer) FROM standby')
    const paused = await both()
    await pair.servers['dc-b'].sql('SELECT pg_wal_replay_resume()')
    await eventual(both, (seen) => !stateOf(seen['dc-b']).may.promote)
    const found = assessStatus(databaseOf(pair), { ...(await both()), 'dc-a': await observe(DC_A) }, around)
    await pair.servers['dc-a'].sql('GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO standby')
    expect(assessStatus(databaseOf(pair), paused, around).map(({ code }) => code)).toEqual(['replay-paused'])
    expect(found.map(({ code }) => code)).toEqual(['rights-missing'])
  })

  test('is silent with its reason where it does not run, or refuses the role', async () => {
    const elsewhere = databaseOf(pair, { database: 'missing' })
    await expect(observeServer(elsewhere, DC_A, context)).resolves.toMatchObject({
      kind: 'silent',
      why: expect.stringContaining('3D000'),
    })
    await pair.operate('stop', 'dc-b')
    const seen = await both()
    await pair.operate('start', 'dc-b')
    expect(seen['dc-b']).toMatchObject({ kind: 'silent', why: expect.stringContaining('ECONNREFUSED') })
    expect(assessStatus(databaseOf(pair), seen, around)).toMatchObject([{ code: 'database-silent', unanswered: true }])
  })

  test('is said to have two primaries when the old one comes back by itself, on whatever timeline', async () => {
    await pair.servers['dc-a'].sql(MAY_READ_HISTORY)
    await eventual(both, (seen) => stateOf(seen['dc-b']).replayLsn === stateOf(seen['dc-a']).currentLsn)
    await pair.kill('dc-a')
    await pair.operate('promote', 'dc-b')
    await eventual(
      () => observe(DC_B),
      (seen) => !stateOf(seen).inRecovery,
    )
    await pair.operate('start', 'dc-a')
    await pair.servers['dc-a'].sql('CREATE TABLE only_here (id int)')
    const found = assessStatus(databaseOf(pair), await both(), { ...around, activeSite: DC_B })
    expect(found.map(({ code }) => code)).toEqual(['two-primaries'])
    expect(found[0]?.what).toMatch(/left timeline 1 at 0\/[0-9A-F]+, [1-9][0-9]* bytes/)
  })
})
