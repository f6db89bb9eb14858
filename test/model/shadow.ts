import { movesOfProcess } from './processes.ts'
import type { JournalView } from './run-table.ts'
import type { Model } from './scenario.ts'
import { movesOfSurroundings } from './surroundings.ts'
import { get, JOURNAL, type WorldState } from './world-state.ts'

/**
 * Follows a journal that the real engine wrote, entry by entry, through every world of the model that could have written it.
 * Returns the place of the first entry that no world of the model can write, or null.
 */
export function worldsWithJournal(model: Model, views: readonly JournalView[]): number | null {
  const table = model.tableOf(0)
  let worlds = new Map([[keyOf(model.initial), model.initial]])
  let now = get(model.initial, JOURNAL)
  for (const [index, view] of views.entries()) {
    const wanted = table.journal(normal(view))
    if (wanted === now) continue
    worlds = step(model, worlds, now, wanted)
    if (worlds.size === 0) return index
    now = wanted
  }
  return null
}

/** All worlds that can be reached by moves that leave the journal alone, and one that writes the wanted entry. */
function step(model: Model, from: Map<string, WorldState>, now: number, wanted: number): Map<string, WorldState> {
  const seen = new Map(from)
  const reached = new Map<string, WorldState>()
  const queue = [...from.values()]
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    for (const next of nextOf(model, world)) {
      const journal = get(next, JOURNAL)
      const key = keyOf(next)
      if (journal === wanted) reached.set(key, next)
      else if (journal === now && !seen.has(key)) {
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
  for (let process = 0; process < model.scenario.processes.length; process++) movesOfProcess(model, world, process, keep)
  movesOfSurroundings(model, world, keep)
  return nexts
}

/** The model does not list the steps of a journal that names none. */
const normal = (view: JournalView): JournalView => (view.steps.every((step) => step === null) ? { ...view, steps: [] } : view)

const keyOf = (world: WorldState): string => String.fromCharCode(...world)
