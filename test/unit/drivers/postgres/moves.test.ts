import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { systemClock } from '../../../../src/composition/connect.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import { type DriverStep, idOfStep } from '../../../../src/driver/action.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { EngineBehaviour } from '../../../../src/driver/engine.ts'
import { postgres } from '../../../../src/drivers/postgres/driver.ts'
import type { ServerState } from '../../../../src/drivers/postgres/facts.ts'
import {
  failoverSteps,
  fenceSteps,
  rejoinSteps,
  reopenSteps,
  switchoverSteps,
} from '../../../../src/drivers/postgres/moves.ts'
import { observeServer } from '../../../../src/drivers/postgres/observe.ts'
import type { Database } from '../../../../src/drivers/postgres/spec.ts'
import { contextOfStep } from '../../../../src/execution/isolate-lost-site.ts'
import { stepPerformer } from '../../../../src/execution/perform-step.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { deadlineAfter } from '../../../../src/waiting/deadline.ts'
import { startWriter, type Writer } from '../../../support/database-writer.ts'
import { MAY_READ_HISTORY, type PostgresPair, pairContext, startPair } from '../../../support/postgres-pair.ts'
import { around, DC_A, DC_B, databaseOf, eventual } from './database.ts'

let pair: PostgresPair
let database: Database
const writers: Writer[] = []
beforeEach(async () => {
  pair = await startPair(`CREATE TABLE ledger (id int PRIMARY KEY); ${MAY_READ_HISTORY}`)
  database = databaseOf(pair)
})
afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.stop()
  await pair.stop()
})

const signal = new AbortController().signal
const warned: string[] = []
const log = { info: () => undefined, debug: () => undefined, warning: (text: string) => warned.push(text) }
const context = {
  ...pairContext(signal),
  signal,
  clock: systemClock,
  log,
  stack: { ...around.stack, source: { directory: '/', path: '', digest: '' } },
} as unknown as DriverContext

const observe = async (): Promise<Record<string, Observed<ServerState>>> => ({
  'dc-b': await observeServer(database, DC_B, context),
  'dc-a': await observeServer(database, DC_A, context),
})
const stateOf = (seen: Observed<ServerState> | undefined): ServerState => {
  if (seen?.kind !== 'answering') throw new Error(`it does not answer: ${JSON.stringify(seen)}`)
  return seen.state
}
const streaming = () => eventual(observe, (seen) => stateOf(seen['dc-b']).receiver?.status === 'streaming')

type Reaching = Partial<Pick<DriverContext, 'askSql' | 'run'>>

/** Performs steps in order, as a run does, each by a process of its own; the proofs by step. */
async function perform(
  steps: readonly DriverStep[],
  intent: Intent,
  proofs: Map<string, JsonObject> = new Map(),
  { within = 30_000, reach = {} }: { readonly within?: number; readonly reach?: Reaching } = {},
): Promise<Map<string, JsonObject>> {
  for (const step of steps) {
    const id = idOfStep(database, step)
    if (proofs.has(id)) continue
    const planned = { ...step, id, component: 'database', needs: [] } as unknown as PlannedStep
    const behaviour = postgres.actions.find(({ name }) => name === step.action)?.behaviour as unknown as EngineBehaviour
    const performer = stepPerformer(
      behaviour,
      {
        step: planned,
        component: database as never,
        site: step.site,
        intent,
        context: contextOfStep({ ...context, ...reach } as never, intent, planned) as never,
        signal,
        begunAt: new Date().toISOString(),
        applied: false,
        pastReturn: false,
        proofOf: ((reference: { readonly id: string }) => proofs.get(reference.id) ?? null) as never,
      },
      {
        clock: systemClock,
        signal,
        deadline: deadlineAfter(within),
        waiting: () => undefined,
        assertOurs: async () => undefined,
      },
    )
    try {
      const first = await performer.look(true)
      if (first.is === 'done') proofs.set(id, first.proof)
      else {
        await performer.apply()
        proofs.set(id, await performer.wait())
      }
    } finally {
      performer.close()
    }
  }
  return proofs
}

/** Writes numbered rows to the server that takes them, as an application does behind a load balancer. */
function write(): Writer {
  const writer = startWriter({
    addresses: [DC_A, DC_B].map((site) => ({ host: '127.0.0.1', port: pair.servers[site as 'dc-a'].port })),
    user: 'app',
    password: '',
    database: 'app',
    intervalMs: 2,
  })
  writers.push(writer)
  return writer
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const rowsAt = async (site: 'dc-a' | 'dc-b'): Promise<Set<number>> =>
  new Set((await pair.servers[site].sql('SELECT id FROM ledger')).split('\n').map(Number))

const there: Intent = { mode: 'switchover', from: DC_A, to: DC_B }
const back: Intent = { mode: 'switchover', from: DC_B, to: DC_A }
const lost: Intent = { mode: 'failover', from: DC_A, to: DC_B }

describe('a switchover of a PostgreSQL that others run', () => {
  test('to and fro under load loses no acknowledged write, and leaves one primary with a replica', async () => {
    await streaming()
    const writer = write()
    await pause(500)
    const first = await perform(switchoverSteps(database, await observe(), there), there)
    await pause(500)
    const second = await perform(switchoverSteps(database, await observe(), back), back)
    await pause(500)
    const { acknowledged } = await writer.stop()
    const rows = await rowsAt('dc-a')
    expect(acknowledged.length).toBeGreaterThan(200)
    expect(acknowledged.filter((id) => !rows.has(id))).toEqual([])
    expect(first.get('database.promote@dc-b')).toMatchObject({ writable: true, timeline: 2, forkedFrom: 1 })
    expect(second.get('database.promote@dc-a')).toMatchObject({ writable: true, timeline: 3, forkedFrom: 2 })
    expect(second.get('database.follow@dc-b')).toMatchObject({ timeline: 3 })
    const states = await observe()
    expect([stateOf(states['dc-a']).inRecovery, stateOf(states['dc-b']).inRecovery]).toEqual([false, true])
  })

  test('that is killed amid the promotion, or loses its answer, is resumed by another process and promotes once', async () => {
    const steps = switchoverSteps(database, await streaming(), there)
    const dying: Reaching = {
      async askSql(question, reach) {
        const answer = await context.askSql(question, reach)
        if (question.statements.includes('SELECT pg_promote(false)')) throw new Error('the process ends here')
        return answer
      },
    }
    const proofs = new Map<string, JsonObject>()
    await expect(perform(steps, there, proofs, { reach: dying })).rejects.toThrow()
    expect([...proofs.keys()]).toEqual(['database.demote@dc-a', 'database.catch-up@dc-b'])
    await perform(steps, there, proofs)
    expect(proofs.get('database.promote@dc-b')).toMatchObject({ timeline: 2 })
    expect(stateOf((await observe())['dc-b']).timeline).toBe(2)
  })

  test('that fails before the promotion gives the old primary its role back', async () => {
    const [demotion] = switchoverSteps(database, await streaming(), there)
    if (demotion === undefined) throw new Error('no step')
    await perform([demotion], there)
    expect(stateOf((await observe())['dc-a']).inRecovery).toBe(true)
    await takeBack(demotion, there)
    const states = await eventual(observe, (seen) => stateOf(seen['dc-b']).timeline === 2)
    expect(stateOf(states['dc-a'])).toMatchObject({ inRecovery: false, timeline: 2 })
    await streaming()
  })

  test('is refused at the last moment where the replica lacks the end of the primary', async () => {
    await streaming()
    await pair.servers['dc-b'].sql('SELECT pg_wal_replay_pause()')
    await pair.servers['dc-a'].sql('INSERT INTO ledger SELECT generate_series(1, 100)')
    const steps = switchoverSteps(database, await observe(), there)
    const proofs = new Map<string, JsonObject>()
    await expect(perform(steps, there, proofs, { within: 3_000 })).rejects.toThrow(/replay up to/)
    expect([...proofs.keys()]).toEqual(['database.demote@dc-a'])
  })

  test('by a declared fence that says where the WAL ends loses nothing, and its old primary is made anew', async () => {
    const call = (what: string) => ({ run: [pair.program, what, '{site}', '{port}', '{peerPort}'] })
    const { demote: _, ...spec } = database.spec
    const isShut = { ask: call('is-shut'), says: 'stopped' }
    database = {
      ...database,
      spec: { ...spec, fence: { shut: call('shut'), open: call('open'), isShut, through: 'site' } },
    }
    await streaming()
    const writer = write()
    await pause(300)
    const proofs = await perform(switchoverSteps(database, await observe(), there), there)
    await pause(300)
    const { acknowledged } = await writer.stop()
    const rows = await rowsAt('dc-b')
    expect(acknowledged.filter((id) => !rows.has(id))).toEqual([])
    expect(proofs.get('database.fence@dc-a')).toMatchObject({ by: 'declared answer' })
    expect(proofs.get('database.rejoin@dc-a')).toMatchObject({ timeline: 2 })
  })
})

describe('a failover of a PostgreSQL that others run', () => {
  test('promotes without the lost site, measures the loss, and refuses the returning primary as diverged', async () => {
    await streaming()
    const writer = write()
    await pause(400)
    await pair.kill('dc-a')
    await writer.stop()
    const states = await observe()
    expect(states['dc-a']).toMatchObject({ kind: 'silent' })
    expect(fenceSteps(database, states, lost)).toEqual([])
    const proofs = await perform(failoverSteps(database, states, lost), lost)
    expect(proofs.get('database.promote@dc-b')).toMatchObject({
      timeline: 2,
      loss: { of: 'writes', bytes: [0, null], lastCommitAt: expect.stringMatching(/^20/) },
    })
    // The trap: the old primary promotes itself to the same number, takes rows of its own, and is then made a replica.
    await pair.operate('promote-alone', 'dc-a')
    await eventual(observe, (seen) => !stateOf(seen['dc-a']).inRecovery)
    await pair.servers['dc-a'].sql('INSERT INTO ledger SELECT generate_series(1000000, 1000100)')
    expect(stateOf((await observe())['dc-a']).timeline).toBe(2)
    await pair.operate('demote', 'dc-a')
    const diverged = { ...database, spec: { ...database.spec, rejoin: undefined } } as unknown as Database
    database = diverged
    const rejoining: Intent = { mode: 'rejoin', from: DC_B, to: DC_A }
    await expect(perform(rejoinSteps(diverged, rejoining), rejoining, new Map(), { within: 8_000 })).rejects.toThrow(
      /has what .* does not have/,
    )
    database = databaseOf(pair)
    const found = await perform(rejoinSteps(database, rejoining), rejoining)
    // Exact where the histories differ; at least so many where the old primary had sent all, and they are the same.
    const compared = found.get('database.compare@dc-a')?.found
    expect(compared).toMatchObject({ rows: [0, null] })
    expect(JSON.stringify(compared)).toMatch(/"bytes":\[[1-9][0-9]*,([1-9][0-9]*|null)\]/)
    expect(found.get('database.rejoin@dc-a')).toMatchObject({ timeline: 2 })
    expect((await rowsAt('dc-a')).has(1_000_000)).toBe(false)
  })

  test('fences a primary that still answers, by what SQL proves, and counts nothing lost that was replayed', async () => {
    await streaming()
    const writer = write()
    await pause(300)
    const states = await observe()
    const fences = fenceSteps(database, states, lost)
    expect(fences.map(({ action, fence }) => [action, fence])).toEqual([['demote', 'database']])
    const proofs = await perform([...fences, ...failoverSteps(database, states, lost)], lost)
    await writer.stop()
    expect(proofs.get('database.promote@dc-b')).toMatchObject({ loss: { bytes: [0, 0], seconds: [0, 0] } })
  })

  test('opens a server that its fence has shut, and proves by a write that it is open', async () => {
    const call = (what: string) => ({ run: [pair.program, what, '{site}', '{port}', '{peerPort}'] })
    const isShut = { ask: call('is-shut'), says: 'stopped' }
    database = databaseOf(pair, { fence: { shut: call('shut'), open: call('open'), isShut, through: 'outside-sites' } })
    await streaming()
    const [fencing] = failoverSteps(database, await observe(), lost)
    if (fencing === undefined) throw new Error('no step')
    const proofs = await perform([fencing], lost)
    expect(proofs.get('database.fence@dc-a')).toMatchObject({
      by: 'declared answer',
      endedAt: expect.stringMatching(/^0\/[0-9A-F]+$/),
    })
    const reopening: Intent = { mode: 'reopen', from: DC_A, to: DC_A }
    const opened = await perform(reopenSteps(database, reopening), reopening)
    expect(opened.get('database.open@dc-a')).toMatchObject({ writable: true, timeline: 1 })
  })

  test('waits for the last session of users where a fence lets Standby in, and then knows the end', async () => {
    const fence = { shut: { run: ['/bin/true'] }, open: { run: ['/bin/true'] }, keepsStandbyIn: true }
    database = databaseOf(pair, { fence: { ...fence, through: 'outside-sites' } })
    await streaming()
    const [fencing] = failoverSteps(database, await observe(), lost)
    if (fencing === undefined) throw new Error('no step')
    const writer = write()
    await pause(200)
    await expect(perform([fencing], lost, new Map(), { within: 2_000 })).rejects.toThrow(/the last 1 sessions/)
    await writer.stop()
    const proofs = await perform([fencing], lost)
    expect(proofs.get('database.fence@dc-a')).toMatchObject({
      by: 'no session left',
      timeline: 1,
      endedAt: expect.stringMatching(/^0\/[0-9A-F]+$/),
    })
  })

  test('takes no session for gone that the role of Standby may not look at', async () => {
    const fence = { shut: { run: ['/bin/true'] }, open: { run: ['/bin/true'] }, keepsStandbyIn: true }
    database = databaseOf(pair, { fence: { ...fence, through: 'outside-sites' } })
    await streaming()
    const [fencing] = failoverSteps(database, await observe(), lost)
    if (fencing === undefined) throw new Error('no step')
    await pair.servers['dc-a'].sql('REVOKE pg_monitor FROM standby')
    write()
    await pause(200)
    await expect(perform([fencing], lost, new Map(), { within: 2_000 })).rejects.toThrow(/the last \d+ sessions/)
  })

  test('takes a server that refuses connections for no proof that it is shut', async () => {
    const call = (what: string) => ({ run: [pair.program, what, '{site}', '{port}', '{peerPort}'] })
    database = databaseOf(pair, { fence: { shut: call('shut'), open: call('open'), through: 'outside-sites' } })
    await streaming()
    const [fencing] = failoverSteps(database, await observe(), lost)
    if (fencing === undefined) throw new Error('no step')
    await expect(perform([fencing], lost, new Map(), { within: 3_000 })).rejects.toThrow(/proves nothing/)
  })

  test('believes a declared answer that says shut only while no primary answers SQL', async () => {
    const call = (what: string) => ({ run: [pair.program, what, '{site}', '{port}', '{peerPort}'] })
    const isShut = { ask: { run: ['/bin/echo', 'stopped'] }, says: 'stopped' }
    const fence = { shut: { run: ['/bin/true'] }, open: call('open'), isShut, through: 'outside-sites' as const }
    database = databaseOf(pair, { fence })
    await streaming()
    const [fencing] = failoverSteps(database, await observe(), lost)
    if (fencing === undefined) throw new Error('no step')
    await expect(perform([fencing], lost, new Map(), { within: 2_000 })).rejects.toThrow(/answers as a primary/)
    await pair.kill('dc-a')
    await expect(perform([fencing], lost)).resolves.toBeDefined()
  })
})

async function takeBack(step: DriverStep, intent: Intent): Promise<void> {
  const planned = { ...step, id: idOfStep(database, step), component: 'database', needs: [] } as unknown as PlannedStep
  const behaviour = postgres.actions.find(({ name }) => name === step.action)?.behaviour as unknown as EngineBehaviour
  const performer = stepPerformer(
    behaviour,
    {
      step: planned,
      component: database as never,
      site: step.site,
      intent,
      context: context as never,
      signal,
      begunAt: new Date().toISOString(),
      applied: true,
      pastReturn: false,
      proofOf: () => null,
    },
    {
      clock: systemClock,
      signal,
      deadline: deadlineAfter(30_000),
      waiting: () => undefined,
      assertOurs: async () => undefined,
    },
  )
  try {
    await performer.takeBack()
  } finally {
    performer.close()
  }
}
