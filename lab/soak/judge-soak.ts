import type { Mode } from '../../src/domain/plan.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'
import { readableDuration } from '../../src/values/duration.ts'
import { median } from '../../src/values/percentile.ts'

/** What one of many moves in a row cost. */
export interface SoakMove {
  readonly mode: Mode
  readonly verdict: string
  /** Steps that it went on without. */
  readonly givenUp: readonly string[]
  readonly durationMs: number
  /** The most that its execute process ever held. */
  readonly peakMemoryBytes: number
  readonly journalEntries: number
  readonly journalBytes: number
}

/** What a move cost, from its own report, what its process held, and what its journal has. */
export function soakMove(
  mode: Mode,
  { verdict, duration, steps }: Pick<MoveReport, 'verdict' | 'duration' | 'steps'>,
  peakMemoryBytes: number,
  journal: { readonly entries: number; readonly bytes: number },
): SoakMove {
  const givenUp = steps.flatMap(({ id, outcome }) => (outcome === 'given-up' ? [id] : []))
  return {
    mode,
    verdict,
    givenUp,
    durationMs: duration,
    peakMemoryBytes,
    journalEntries: journal.entries,
    journalBytes: journal.bytes,
  }
}

/**
 * How much more the last third may take than the first one: what grows with every move grows beyond it, noise does not.
 */
const MAY_GROW = { peakMemoryBytes: 1.1, journalEntries: 1.05, journalBytes: 1.05, durationMs: 1.5 } as const
type Measure = keyof typeof MAY_GROW

/** One slow move among few is the machine's noise: durations are compared from so many on each side on. */
const ENOUGH_TO_TIME = 3

/**
 * Names everything that was not as it should be over many moves: one that did not end, or not whole, a cost that grows.
 * Pure.
 */
export function judgeSoak(moves: readonly SoakMove[]): string[] {
  const ended = moves.flatMap(({ mode, verdict }, index) =>
    verdict === 'moved' ? [] : [`move ${index + 1}, a ${mode}, ended ${verdict}`],
  )
  // Something fills up: nothing of an undisturbed move has a reason to be given up.
  const lacking = moves.flatMap(({ mode, givenUp }, index) =>
    givenUp.map((step) => `move ${index + 1}, a ${mode}, gave up ${step}`),
  )
  const modes = [...new Set(moves.map(({ mode }) => mode))]
  return [...ended, ...lacking, ...modes.flatMap((mode) => growthOf(mode, moves))]
}

function growthOf(mode: Mode, moves: readonly SoakMove[]): string[] {
  const same = moves.filter((move) => move.mode === mode)
  const third = Math.floor(same.length / 3)
  if (third === 0) return []
  const measures = (Object.keys(MAY_GROW) as Measure[]).filter(
    (measure) => measure !== 'durationMs' || third >= ENOUGH_TO_TIME,
  )
  return measures.flatMap((measure) => {
    const [first, last] = [same.slice(0, third), same.slice(-third)].map((part) =>
      median(part.map((move) => move[measure])),
    )
    return first === undefined || last === undefined || last <= first * MAY_GROW[measure]
      ? []
      : [
          `${measure} of a ${mode} grew from ${first} to ${last} (medians of the first and the last ${third} of ${same.length})`,
        ]
  })
}

/** One line per mode: how many, and the median and the highest of everything. Pure. */
export function soakTable(moves: readonly SoakMove[]): string {
  const modes = [...new Set(moves.map(({ mode }) => mode))]
  const lines = modes.map((mode) => {
    const same = moves.filter((move) => move.mode === mode)
    const range = (measure: Measure, show: (value: number) => string): string => {
      const values = same.map((move) => move[measure])
      return `${show(median(values))} (at most ${show(Math.max(...values))})`
    }
    const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
    return [
      `${same.length} × ${mode}`,
      `duration ${range('durationMs', readableDuration)}`,
      `memory ${range('peakMemoryBytes', megabytes)}`,
      `journal ${range('journalEntries', String)} entries, ${range('journalBytes', String)} bytes`,
    ].join('  ')
  })
  return lines.join('\n')
}
