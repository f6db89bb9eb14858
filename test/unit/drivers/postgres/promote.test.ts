import { describe, expect, test } from '@jest/globals'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Replayed } from '../../../../src/drivers/postgres/catch-up.ts'
import { type OfPromotion, promote } from '../../../../src/drivers/postgres/promote.ts'
import type { Database } from '../../../../src/drivers/postgres/spec.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { DC_A, DC_B } from './database.ts'

const database: Database = {
  name: 'database',
  driver: 'postgres',
  needs: [],
  spec: {
    database: 'app',
    user: 'standby',
    password: { env: 'DATABASE_PASSWORD' },
    sites: { 'dc-a': { host: 'a.example.com' }, 'dc-b': { host: 'b.example.com' } },
    promote: 'sql',
  },
}
const prepared: Replayed = { systemId: '7', timeline: 3, replayed: '0/5000060', lastCommitAt: null }

/** What the promotion sees of a server with these facts, after the step before it saw `prepared`. */
async function seenOf(facts: Readonly<Record<string, string>>): Promise<unknown> {
  const rows = Object.entries({ version: '150020', promote: 'true', monitor: 'true', ...facts })
  const context = {
    stack: toyStack,
    credential: async () => 'a-password',
    askSql: async () => ({ is: 'rows', rows: rows.map(([name, value]) => ['fact', name, value]) }),
  } as unknown as DriverContext
  const parameters: OfPromotion = {
    server: 'b.example.com:5432',
    peer: DC_A,
    replayed: 'database.catch-up@dc-b',
    ended: null,
    lastSeenAt: null,
  }
  return promote.behaviour.done({
    step: { id: 'database.promote@dc-b', phase: 'PROMOTE', parameters },
    component: database,
    site: DC_B,
    intent: { mode: 'switchover', from: DC_A, to: DC_B },
    context,
    signal: new AbortController().signal,
    begunAt: '2026-11-30T08:00:00.000Z',
    memory: { value: undefined, set: () => undefined } as never,
    applied: false,
    pastReturn: true,
    proofOf: (() => prepared) as never,
  })
}

describe('a promotion of a PostgreSQL that others run', () => {
  test('is not done, and not begun, by another server under the same address', async () => {
    const swapped = { is: 'failed', code: 'another-database' }
    expect(await seenOf({ systemId: '8', timeline: '9', inRecovery: 'false' })).toMatchObject(swapped)
    expect(await seenOf({ systemId: '8', timeline: '3', inRecovery: 'true' })).toMatchObject(swapped)
  })

  test('is done by the prepared server on a timeline of its own, and pending before', async () => {
    expect(await seenOf({ systemId: '7', timeline: '4', inRecovery: 'false' })).toMatchObject({ is: 'done' })
    expect(await seenOf({ systemId: '7', timeline: '3', inRecovery: 'true' })).toMatchObject({ is: 'pending' })
    expect(await seenOf({ systemId: '7', timeline: '3', inRecovery: 'false' })).toMatchObject({ is: 'pending' })
  })
})
