import { describe, expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { readActive } from '../../../src/witness/active.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { readLock } from '../../../src/witness/lock.ts'
import { mortalProcess } from '../../support/mortal-process.ts'
import { INSTANTS_APART, instantsOfDeath } from '../../support/rounds.ts'
import { continueToy, deployedToy, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

/** A deployed toy stack with an approved plan; every process of it gets a world of its own over the same reality. */
async function approved(request: MoveRequest = { mode: 'switchover', to: 'dc-b' }) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const driver = toyDriver(toy)
  const silent = request.mode === 'failover' ? ['dc-a'] : []
  const process = () => toyWorld(toy, store, { clock, driver, silent })
  const { plan, digest } = await planFailover(process(), request)
  return { toy, store, clock, process, plan, digest }
}
type Approved = Awaited<ReturnType<typeof approved>>

/** Executes in a process that dies at an instant; true when it died before it ended. */
async function executeMortally(at: Approved, plan: Plan, diesAt: number): Promise<boolean> {
  const mortal = mortalProcess(at.process(), diesAt)
  const ended = executeFailover(mortal.world, plan, toyApproval(at.digest)).then(() => 'ended' as const)
  return (await Promise.race([mortal.died, ended])) === 'died'
}

async function continueMortally(
  at: Approved,
  run: string,
  how: 'resume' | 'abort',
  diesAt: number,
): Promise<MoveReport | 'died'> {
  const mortal = mortalProcess(at.process(), diesAt)
  return Promise.race([mortal.died, continueToy(mortal.world, run, how)])
}

/** The run that a dead process left, if it got so far as to have one. */
async function runLeft({ store }: Approved): Promise<string | null> {
  const kept = (await store.list('runs/')).find((key) => key.endsWith('/approval.json'))
  return kept?.split('/')[1] ?? null
}

const endOf = async ({ toy, store }: Approved) => ({
  writer: toy.writer,
  active: (await readActive(store))?.record.activeSite,
  epoch: (await readActive(store))?.record.epoch,
  released: (await readLock(store))?.record.released,
})
const MOVED = { writer: 'dc-b', active: 'dc-b', epoch: 2, released: true }

const resumed = async (at: Approved, run: string): Promise<string> =>
  continueToy(at.process(), run, 'resume').then(
    ({ verdict }) => verdict,
    (error: { code: string }) => error.code,
  )

async function everyInstant(
  visit: (at: Approved, diesAt: number) => Promise<void>,
  request?: MoveRequest,
): Promise<number> {
  for (const diesAt of instantsOfDeath()) {
    const at = await approved(request)
    if (!(await executeMortally(at, at.plan, diesAt))) return diesAt
    await visit(at, diesAt)
  }
  throw new Error('no process lives to the end')
}

describe('a process that dies at any instant', () => {
  test('leaves a run that another process brings to the end of an undisturbed one', async () => {
    let continued = 0
    const instants = await everyInstant(async (at) => {
      const run = await runLeft(at)
      if (run === null) return expect(at.toy.effects).toEqual([])
      const report = await continueToy(at.process(), run, 'resume').catch((error: { code: string }) => error)
      // It died after its last entry: nothing is left to do.
      if ('code' in report) expect(report.code).toBe('run-ended')
      else expect(report).toMatchObject({ verdict: 'moved', failure: null })
      expect(await endOf(at)).toEqual(MOVED)
      expect(at.toy.effects.filter((effect) => effect === 'promote').length).toBe(1)
      expect(at.toy.effects).not.toContain('undo demote')
      continued += 1
    })
    expect(instants).toBeGreaterThan(80)
    expect(continued).toBeGreaterThan(70 / INSTANTS_APART)
  })

  const others: [MoveRequest, object, string][] = [
    [{ mode: 'failover', to: 'dc-b', acceptLoss: 60_000 }, MOVED, 'promote'],
    [{ mode: 'rejoin', to: 'dc-b' }, { ...MOVED, writer: 'dc-a', active: 'dc-a' }, 'follow'],
  ]
  test.each(others)('leaves a run of %j that another process finishes as well', async (request, expected, effect) => {
    const instants = await everyInstant(async (at) => {
      const run = await runLeft(at)
      if (run === null) return
      expect(['moved', 'run-ended']).toContain(await resumed(at, run))
      expect(await endOf(at)).toEqual(expected)
      expect(at.toy.effects.filter((one) => one === effect).length).toBe(1)
    }, request)
    expect(instants).toBeGreaterThan(50)
  })

  test('leaves a run that is brought to its end even when each process that continues it dies too', async () => {
    for (const lifetime of [7, 11, 19, 31, 53]) {
      const at = await approved()
      await executeMortally(at, at.plan, 29)
      const run = (await runLeft(at)) ?? ''
      let end = 'died'
      let processes = 0
      // Each lives longer than the one before by more than it takes to read what that one has added to the journal.
      for (let more = 0; end === 'died' && processes < 60; more += 12, processes++)
        end = await continueMortally(at, run, 'resume', lifetime + more).then(
          (report) => (report === 'died' ? report : report.verdict),
          (error: { code: string }) => error.code,
        )
      expect(['moved', 'run-ended']).toContain(end)
      expect(processes).toBeGreaterThan(1)
      expect(await endOf(at)).toEqual(MOVED)
    }
  })

  test('leaves a run that is taken back as long as the witness names the old site, and never after that', async () => {
    const ends = { undone: 0, refused: 0, locked: 0 }
    await everyInstant(async (at) => {
      const run = await runLeft(at)
      if (run === null) return
      const committed = (await readActive(at.store))?.record.activeSite === 'dc-b'
      const report = await continueToy(at.process(), run, 'abort').catch((error: { code: string }) => error)
      if (committed) {
        expect(at.toy.effects).not.toContain('undo demote')
        expect('code' in report ? report.code : report.verdict).toMatch(/past-point-of-no-return|run-ended|stopped/)
        ends.refused += 1
      } else {
        expect(report).toMatchObject({ verdict: 'undone' })
        // A run that died before it asked for the lock has none to give back.
        const asked = (await readLock(at.store)) !== null
        expect(await endOf(at)).toMatchObject({ writer: 'dc-a', active: 'dc-a', released: asked ? true : undefined })
        ends.locked += asked ? 1 : 0
        ends.undone += 1
      }
    })
    expect(ends.undone).toBeGreaterThan(20 / INSTANTS_APART)
    expect(ends.refused).toBeGreaterThan(20 / INSTANTS_APART)
    expect(ends.locked).toBeGreaterThan(15 / INSTANTS_APART)
  })

  test('keeps one promotion, and no way back after it, when an abort dies too and another process resumes', async () => {
    const ends = { 'dc-a': 0, 'dc-b': 0 }
    for (let diesAt = 30; diesAt < 70; diesAt += 3)
      for (let abortDies = 3; abortDies < 40; abortDies += 4 * INSTANTS_APART) {
        const at = await approved()
        if (!(await executeMortally(at, at.plan, diesAt))) continue
        const run = (await runLeft(at)) ?? ''
        const aborted = await continueMortally(at, run, 'abort', abortDies).catch((error: { code: string }) => error)
        if (aborted !== 'died') continue
        const once = await resumed(at, run)
        // It went back, and found that the point of no return was passed: that ends with a person, who resumes.
        if (once === 'stopped') await resumed(at, run)
        const { writer, active } = await endOf(at)
        expect([
          { writer: 'dc-a', active: 'dc-a' },
          { writer: 'dc-b', active: 'dc-b' },
        ]).toContainEqual({ writer, active })
        expect(at.toy.effects.join(' ')).not.toMatch(/undo demote.*promote|promote.*undo demote/)
        const entries = (await openJournal(at.store, run)).entries
        expect(entries.at(-1)?.kind).toBe('ended')
        if (writer !== null) ends[writer] += 1
      }
    expect(ends['dc-a']).toBeGreaterThan(10 / INSTANTS_APART)
    expect(ends['dc-b']).toBeGreaterThan(10 / INSTANTS_APART)
  })
})
