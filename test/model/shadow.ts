import { movesOfProcess } from './processes.ts'
import type { JournalView } from './run-table.ts'
import type { Model } from './scenario.ts'
import { movesOfSurroundings } from './surroundings.ts'
import { ALIVE, get, JOURNAL, LIFE, UNBORN, type WorldState } from './world-state.ts'

/** A journal up to one of its entries, and how many processes have begun to write it. */
export interface JournalSoFar {
  readonly view: JournalView
  readonly processes: number
  /** The place of its last entry. */
  readonly at: number
}

/**
 * Follows a journal that the real engine wrote, entry by entry, through every world of the model that could have
 * written it. Returns the place of the first entry that no world of the model can write, or null.
 */
export function worldsWithJournal(model: Model, entries: readonly JournalSoFar[]): number | null {
  const table = model.tableOf(0)
  let worlds = new Map([[keyOf(model.initial), model.initial]])
  let before = { journal: get(model.initial, JOURNAL), processes: 0 }
  for (const { view, processes, at } of entries) {
    const after = { journal: table.journal(normal(view)), processes }
    if (after.journal === before.journal && after.processes === before.processes) continue
    worlds = step(model, worlds, before, after)
    if (worlds.size === 0) return at
    before = after
  }
  return null
}

interface Entry {
  readonly journal: number
  readonly processes: number
}

/** All worlds that can be reached by moves that leave the journal alone, and one that writes the wanted entry. */
function step(model: Model, from: Map<string, WorldState>, before: Entry, after: Entry): Map<string, WorldState> {
  const seen = new Map(from)
  const reached = new Map<string, WorldState>()
  const queue = [...from.values()]
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    for (const next of nextOf(model, world)) {
      const lives = model.scenario.processes.map((_, process) => get(next, LIFE + process))
      // The second process of the real engine comes when the first is gone.
      if (lives.filter((life) => life === ALIVE).length > 1) continue
      const [journal, processes] = [get(next, JOURNAL), lives.filter((life) => life !== UNBORN).length]
      const key = keyOf(next)
      if (journal === after.journal && processes === after.processes) reached.set(key, next)
      else if (journal === before.journal && processes === before.processes && !seen.has(key)) {
        seen.set(key, next)
        queue.push(next)
      }
    }
  }
  return reached
}

function nextOf(model: Model, world: WorldState): WorldState[] {
  const nexts: WorldState[] = []
  const keep = ({ next }: { readonly next: WorldState }): void => {
    nexts.push(next)
  }
  for (let process = 0; process < model.scenario.processes.length; process++)
    movesOfProcess(model, world, process, keep)
  movesOfSurroundings(model, world, keep)
  return nexts
}

/** The model does not list the steps of a journal that names none. */
const normal = (view: JournalView): JournalView =>
  view.steps.every((step) => step === null) ? { ...view, steps: [] } : view

const keyOf = (world: WorldState): string => String.fromCharCode(...world)
