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

/** What is true on the sites, whoever made it true. */
interface Sites {
  fenced: boolean
  /** Its API answers. */
  answers: boolean
  copied: boolean
  promoted: boolean
}

/**
 * A move of a stack whose only fence is one that anybody can open again, and whose copy is only good while it is shut.
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
  /** Begins, and dies as soon as the journal holds this. */
  const dieAfter = async (holds: (entry: JournalEntry) => boolean): Promise<void> => {
    for (let instants = 1; instants < 400; instants++) {
      const other = await fencedMove()
      const mortal = mortalProcess(other.world, instants)
      await Promise.race([mortal.died, other.perform('begin', mortal.world)])
      if (!(await other.journal()).some(holds)) continue
      const again = mortalProcess(world, instants)
      await Promise.race([again.died, perform('begin', again.world)])
      clock.pass(60_000)
      return
    }
    throw new Error('it never came so far')
  }
  return { world, driver, store, clock, sites, effects, looks, plan, perform, journal, dieAfter }
}

export const resultOf = (step: string) => (entry: JournalEntry) => entry.kind === 'result' && entry.step === step
export const FENCE = resultOf('database.fence@dc-a')
export const COPY = resultOf('database.copy@dc-b')
export const ACTIVATE = resultOf('witness.activate@dc-b')
