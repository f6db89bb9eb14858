import { describe, expect, test } from '@jest/globals'
import { executeMove } from '../../src/execution/execute-move.ts'
import { progressTo } from '../../src/execution/progress.ts'
import { type JournalEntry, openJournal, stepsOnRecord, turnedBack } from '../../src/witness/journal.ts'
import { mortalProcess } from '../support/mortal-process.ts'
import { deployedToy, toyClock, toyDriver } from '../support/toy-stack.ts'
import { modelPlan, type PlanRequest } from './model-plans.ts'
import { type Fault, realProcess, sitesAtFirst } from './model-world.ts'
import { modelOf, must, type Scenario } from './scenario.ts'
import { CALM, CREW, THERE, THERE_AT_BEST } from './scenarios.ts'
import { type JournalSoFar, worldsWithJournal } from './shadow.ts'

const SEEDS = 25

/**
 * The same row of numbers for one seed, everywhere. Seeds are spread first: those that stand side by side would begin
 * with nearly the same number.
 */
function dice(seed: number): () => number {
  let state = Math.imul(seed, 0x9e37_79b1) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** One run of the real engine: two processes, up to two faults, a death at some instant. Returns its journal. */
async function realRun(seed: number, how: 'resume' | 'abort', request: PlanRequest): Promise<readonly JournalEntry[]> {
  const roll = dice(seed)
  const { plan } = modelPlan(request)
  const { store } = await deployedToy()
  const clock = toyClock()
  const sites = sitesAtFirst()
  let faults = 2
  const fault: Fault = () => {
    if (faults === 0 || roll() > 0.08) return null
    faults -= 1
    return roll() < 0.5 ? 'before' : 'after'
  }
  const world = realProcess(sites, store, clock, toyDriver({ writer: null, effects: [] }), fault)
  const perform = (as: typeof world, begins: 'begin' | 'resume' | 'abort') =>
    executeMove({
      plan,
      digest: 'd',
      run: 'r',
      how: begins,
      store: as.store,
      drivers: as.drivers,
      context: as.context,
      clock,
      progress: progressTo(as.log, clock, () => undefined),
      signal: as.signal,
    }).catch(() => undefined)
  const mortal = mortalProcess(world, Math.floor(roll() * 160))
  await Promise.race([mortal.died, perform(mortal.world, 'begin')])
  await perform(world, how)
  return (await openJournal(store, 'r')).entries
}

/**
 * The journal after each of its entries, as far as the model knows it. An abort begins and turns back in one move of
 * the model.
 */
function sofar(entries: readonly JournalEntry[]): JournalSoFar[] {
  const { steps } = modelPlan(THERE)
  // A process that died before its first entry has begun all the same: what the first entry shows is the one that takes
  // the run back.
  const unrecorded = entries[1]?.kind === 'turned-back' ? 1 : 0
  return entries.flatMap((entry, index): JournalSoFar[] => {
    if (index > 0 && entry.kind === 'begun' && entries[index + 1]?.kind === 'turned-back') return []
    const until = entries.slice(0, index + 1)
    const recorded = stepsOnRecord(until)
    const ended = until.flatMap((one) => (one.kind === 'ended' ? [one.verdict] : [])).at(-1) ?? null
    const view = {
      steps: steps.map(({ planned }) => recorded.get(planned.id) ?? null),
      turnedBack: turnedBack(until),
      ended,
    }
    return [
      {
        at: index,
        view,
        processes: until.filter(({ kind }) => kind === 'begun').length + (index > 0 ? unrecorded : 0),
      },
    ]
  })
}

describe('what the real engine writes into its journal, the model can do too', () => {
  const { begin, resume, abort } = CREW
  test.each([
    ['resume', 'all steps needed', THERE],
    ['abort', 'all steps needed', THERE],
    ['resume', 'a fence that is not', THERE_AT_BEST],
    ['abort', 'a fence that is not', THERE_AT_BEST],
  ] as const)(
    'with two faults, a death at any instant, and then %s, %s',
    async (how, _with, request) => {
      const scenario: Scenario = {
        ...CALM,
        name: 'conformance',
        plans: [request],
        runs: [0],
        processes: [begin(0), how === 'resume' ? resume(0) : abort(0)],
        crashes: 1,
        faults: 2,
        writes: 0,
        fencedObjects: false,
      }
      const model = modelOf(scenario)
      const ends = new Set<string>()
      const givenUp = new Set<string>()
      for (let seed = 1; seed <= (request === THERE_AT_BEST ? 3 : 1) * SEEDS; seed++) {
        const entries = await realRun(seed, how, request)
        const known = sofar(entries)
        for (const entry of entries) if (entry.kind === 'given-up') givenUp.add(entry.step)
        ends.add(known.at(-1)?.view.ended ?? 'none')
        const at = worldsWithJournal(model, known)
        if (at !== null)
          throw new Error(
            `seed ${seed}: the model cannot follow ${JSON.stringify(must(entries[at]))}, entry ${at + 1} of ${JSON.stringify(entries.map((entry) => ('step' in entry ? `${entry.kind} ${entry.step}` : entry.kind)))}`,
          )
      }
      expect([...givenUp]).toEqual(request === THERE_AT_BEST ? ['application.stop@dc-a'] : [])
      // The seeds reach ends of every kind: a comparison of quiet runs alone would prove little.
      expect([...ends].sort()).toEqual(
        expect.arrayContaining(how === 'resume' ? ['moved', 'undone'] : ['stopped', 'undone']),
      )
    },
    240_000,
  )

  test('a journal that no run can write is recognized', () => {
    const model = modelOf({ ...CALM, name: 'quiet', plans: [THERE], runs: [0], processes: [begin(0)], writes: 0 })
    const { steps } = modelPlan(THERE)
    const promotedFirst = steps.map(({ action }) => (action === 'promote' ? ('intent' as const) : null))
    expect(
      worldsWithJournal(model, [
        { view: { steps: promotedFirst, turnedBack: false, ended: null }, processes: 1, at: 0 },
      ]),
    ).toBe(0)
  })
})
