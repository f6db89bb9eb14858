import type { Command, Course, RunEvent, RunState, StepState } from '../../src/execution/run-state.ts'
import { advance, beginRun, commandsOf } from '../../src/execution/transition.ts'
import type { OnRecord, Verdict } from '../../src/witness/journal.ts'

/** The functions that decide what a run does: those of production, or bent ones. */
export interface Rules {
  readonly beginRun: typeof beginRun
  readonly commandsOf: typeof commandsOf
  readonly advance: typeof advance
}
export const PRODUCTION: Rules = { beginRun, commandsOf, advance }

/** What of a journal decides how a run goes on. */
export interface JournalView {
  readonly steps: readonly (OnRecord | null)[]
  readonly turnedBack: boolean
  readonly ended: Verdict | 'done' | null
}
export const EMPTY_JOURNAL: JournalView = { steps: [], turnedBack: false, ended: null }

/**
 * The states of a run as small numbers. The transition functions are pure, so each is asked once per state and event; a
 * million worlds share a few thousand states of their runs.
 */
export interface RunTable {
  /** The state in which a process begins that reads this journal. */
  begun(journal: number, continued: boolean): number
  after(run: number, event: RunEvent): number
  commands(run: number): readonly Command[]
  state(run: number): RunState
  stepState(run: number, step: number): StepState
  journal(view: JournalView): number
  journalView(journal: number): JournalView
}

export function runTable(course: Course, rules: Rules): RunTable {
  const states = interned<RunState>((run) => {
    const flags = [run.direction, run.failed, run.lost, run.ended, run.continued].join()
    return `${flags} ${course.steps.map(({ id }) => `${run.steps[id]}${run.seen[id] === undefined ? '' : `+${run.seen[id]}`}`).join()}`
  })
  const journals = interned<JournalView>((view) => JSON.stringify(view))
  const commands: (readonly Command[])[] = []
  const nexts = new Map<string, number>()
  return {
    begun(journal, continued) {
      const view = journals.at(journal)
      const onRecord = new Map(
        course.steps.flatMap(({ id }, index): [string, OnRecord][] => {
          const recorded = view.steps[index]
          return recorded === null || recorded === undefined ? [] : [[id, recorded]]
        }),
      )
      return states.numberOf(rules.beginRun(course, { onRecord, turnedBack: view.turnedBack, continued }))
    },
    after(run, event) {
      const key = `${run} ${event.is} ${'step' in event ? event.step : ''} ${'saw' in event ? event.saw : ''}`
      const known = nexts.get(key)
      if (known !== undefined) return known
      const next = states.numberOf(rules.advance(course, states.at(run), event))
      nexts.set(key, next)
      return next
    },
    commands(run) {
      commands[run] ??= rules.commandsOf(course, states.at(run))
      return commands[run]
    },
    state: (run) => states.at(run),
    stepState: (run, step) => states.at(run).steps[course.steps[step]?.id ?? ''] ?? 'todo',
    journal: (view) => journals.numberOf(view),
    journalView: (journal) => journals.at(journal),
  }
}

function interned<T>(keyOf: (value: T) => string) {
  const numbers = new Map<string, number>()
  const values: T[] = []
  return {
    numberOf(value: T): number {
      const key = keyOf(value)
      const known = numbers.get(key)
      if (known !== undefined) return known
      if (values.length > 65_535) throw new Error('more states of a run than a world can name')
      numbers.set(key, values.length)
      values.push(value)
      return values.length - 1
    },
    at(number: number): T {
      const value = values[number]
      if (value === undefined) throw new Error(`no state ${number}`)
      return value
    },
  }
}
