import type { Plan } from '../../src/domain/plan.ts'
import type { Progress } from '../../src/domain/progress.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { executeMove, type MoveRun } from '../../src/execution/execute-move.ts'
import { progressTo } from '../../src/execution/progress.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { type JournalEntry, openJournal } from '../../src/witness/journal.ts'
import type { FlatDriver } from './flat/driver.ts'
import { mortalProcess } from './mortal-process.ts'
import { deployedToy, toyClock, toyDriver, toyStep, toyWorld } from './toy-stack.ts'

/** What is true on the sites, no matter who made it true. */
interface Sites {
  fenced: boolean
  /** Its API answers. */
  answers: boolean
  copied: boolean
  promoted: boolean
}

/**
 * A move of a stack. Anyone can open its only fence again, and its copy is good only while the fence is shut.
 */
export async function fencedMove() {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const sites: Sites = { fenced: false, answers: true, copied: false, promoted: false }
  const effects: string[] = []
  const looks = { fence: 0 }
  const seen = (holds: boolean, waitingFor: string): Progress =>
    holds ? { is: 'done', proof: {} } : { is: 'pending', waitingFor }
  const own = toyDriver(toy)
  const driver: FlatDriver = {
    ...own,
    move: ({ name }, _states, { from, to }) =>
      name === 'database'
        ? [
            toyStep(`database.fence@${from}`, 'FENCE', { fence: 'database', deadline: 300 }),
            toyStep(`database.copy@${to}`, 'FINAL_SYNC'),
            toyStep(`database.promote@${to}`, 'PROMOTE', { irreversible: true }),
          ]
        : [],
    behaviours: {
      fence: {
        done: async () => {
          looks.fence += 1
          if (!sites.answers) throw siteError('site-unreachable', 'dc-a does not answer', { retry: 'transient' })
          return seen(sites.fenced, 'the fence')
        },
        apply: async () => {
          effects.push('fence')
          sites.fenced = true
        },
        undo: async () => {
          effects.push('unfence')
          sites.fenced = false
        },
        undone: async () => seen(!sites.fenced, 'the fence to be taken away'),
      },
      copy: {
        done: async () => seen(sites.copied, 'the copy'),
        apply: async () => {
          effects.push('copy')
          sites.copied = true
        },
      },
      promote: {
        done: async () => seen(sites.promoted, 'the promotion'),
        apply: async () => {
          effects.push(sites.fenced || !sites.answers ? 'promote' : 'promote beside a writer')
          sites.promoted = true
        },
      },
    },
  }
  const world = toyWorld(toy, store, { driver, clock })
  const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const perform = (how: MoveRun['how'], as = world, of: Plan = plan) =>
    executeMove({
      plan: of,
      digest,
      run: 'r1',
      how,
      store: as.store,
      drivers: as.drivers,
      context: { ...as.context },
      clock,
      progress: progressTo(as.log, clock, () => undefined),
      signal: as.signal,
    })
  const journal = async (): Promise<readonly JournalEntry[]> => (await openJournal(store, 'r1')).entries
  /** Begins the move in a process that dies as soon as the journal holds such an entry. */
  const dieAfter = async (holds: (entry: JournalEntry) => boolean): Promise<void> => {
    const mortal = mortalProcess(world, await firstInstantAfter(holds))
    await Promise.race([mortal.died, perform('begin', mortal.world)])
    clock.pass(60_000)
  }
  return { world, driver, store, clock, sites, effects, looks, plan, perform, journal, dieAfter }
}

const MOST_INSTANTS = 400

/** The first instant at which a process may die and leave such a journal. Found by bisection: a journal only grows. */
async function firstInstantAfter(holds: (entry: JournalEntry) => boolean): Promise<number> {
  const isLeftBy = async (instants: number): Promise<boolean> => {
    const other = await fencedMove()
    const mortal = mortalProcess(other.world, instants)
    await Promise.race([mortal.died, other.perform('begin', mortal.world)])
    return (await other.journal()).some(holds)
  }
  if (!(await isLeftBy(MOST_INSTANTS))) throw new Error('no process of a move leaves such a journal')
  let [tooEarly, late] = [0, MOST_INSTANTS]
  while (late - tooEarly > 1) {
    const middle = Math.floor((tooEarly + late) / 2)
    if (await isLeftBy(middle)) late = middle
    else tooEarly = middle
  }
  return late
}

export const resultOf = (step: string) => (entry: JournalEntry) => entry.kind === 'result' && entry.step === step
export const FENCE = resultOf('database.fence@dc-a')
export const COPY = resultOf('database.copy@dc-b')
export const ACTIVATE = resultOf('witness.activate@dc-b')
