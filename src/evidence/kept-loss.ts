import type { Intent, Loss, Mode } from '../domain/plan.ts'
import type { StepReport } from '../execution/step-report.ts'
import { componentOfStep, highest, intervalIn, sum } from './measured-loss.ts'

/**
 * The commits that a rejoin found only on the former active site, with what the move away from that site knew of them.
 */
export interface FoundLoss extends Loss {
  /** Changed rows; a row that was changed twice counts twice. An upper end of null: not all could be read. */
  readonly rows: readonly [number, number | null]
  /** Transactions that were acknowledged. */
  readonly commits: readonly [number, number | null]
  readonly tables: readonly ChangedTable[]
  readonly firstCommitAt: string | null
  readonly lastCommitAt: string | null
  readonly follows: FollowedMove
}
export interface ChangedTable {
  readonly table: string
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** The move away from a site that now rejoins: the loss that it predicted, and the loss that it measured. */
export type FollowedMove =
  | {
      readonly is: 'known'
      readonly run: string
      readonly mode: Exclude<Mode, 'rejoin' | 'reopen'>
      readonly predicted: Loss
      readonly counted: Loss | null
      /** By component, ISO 8601: the last commit of the old site that the new one has. */
      readonly saved: Readonly<Record<string, string>>
    }
  | { readonly is: 'unknown'; readonly why: string }

/** found: for a rejoin that kept the commits of its site; includes what the move before it predicted and measured. */
export interface Losses {
  readonly predicted: Loss
  /** Null before a promotion, and where no step measured it. */
  readonly counted: Loss | null
  readonly found?: FoundLoss
}

/** Whether a rejoin has kept the commits of its site: then the move before it must be read. Pure. */
export const hasFound = ({ mode }: Intent, steps: readonly StepReport[]): boolean =>
  mode === 'rejoin' && steps.flatMap(foundBy).length > 0

/**
 * The loss that a rejoin found, as its steps measured it: a step that measures has `found: {bytes, rows, commits,
 * tables, firstCommitAt, lastCommitAt, why}` in its proof. In seconds it is at least the time between the commits that
 * only that site has, and at most the time since the last commit that the move has saved. Null where no step measured
 * it. Pure.
 */
export function foundLoss(
  intent: Intent,
  steps: readonly StepReport[],
  follows: FollowedMove | null,
): FoundLoss | null {
  const found = steps.flatMap(foundBy)
  if (intent.mode !== 'rejoin' || follows === null || found.length === 0) return null
  const saved = follows.is === 'known' ? follows.saved : {}
  const seconds = found.map((one) => secondsOf(one, saved[one.component] ?? null))
  return {
    bytes: added(found.map(({ bytes }) => bytes)),
    seconds: [Math.max(...seconds.map(([low]) => low)), highest(seconds.map(([, high]) => high))],
    rows: added(found.map(({ rows }) => rows)),
    commits: added(found.map(({ commits }) => commits)),
    tables: found.flatMap(({ tables }) => tables),
    firstCommitAt: found.flatMap(({ firstCommitAt }) => firstCommitAt ?? []).sort()[0] ?? null,
    lastCommitAt:
      found
        .flatMap(({ lastCommitAt }) => lastCommitAt ?? [])
        .sort()
        .at(-1) ?? null,
    why: found.map(({ why }) => why).join('; '),
    follows,
  }
}

interface Found
  extends Pick<FoundLoss, 'bytes' | 'rows' | 'commits' | 'tables' | 'firstCommitAt' | 'lastCommitAt' | 'why'> {
  readonly component: string
}

function foundBy({ id, proof }: StepReport): Found[] {
  const found = (proof?.found ?? null) as Partial<Record<keyof Found, unknown>> | null
  const [bytes, rows, commits] = [intervalIn(found?.bytes), intervalIn(found?.rows), intervalIn(found?.commits)]
  if (found === null || bytes === null || rows === null || commits === null) return []
  return [
    {
      component: componentOfStep(id),
      bytes,
      rows,
      commits,
      tables: Array.isArray(found.tables) ? (found.tables as ChangedTable[]) : [],
      firstCommitAt: textIn(found.firstCommitAt),
      lastCommitAt: textIn(found.lastCommitAt),
      why: textIn(found.why) ?? '',
    },
  ]
}

const textIn = (found: unknown): string | null => (typeof found === 'string' ? found : null)

function secondsOf(
  { commits: [, most], firstCommitAt, lastCommitAt }: Found,
  savedUntil: string | null,
): [number, number | null] {
  if (most === 0) return [0, 0]
  const since = (then: string | null): number => (Date.parse(lastCommitAt ?? '') - Date.parse(then ?? '')) / 1_000
  const [low, high] = [since(firstCommitAt), since(savedUntil)]
  const least = Number.isNaN(low) ? 0 : Math.max(0, Math.floor(low))
  return [least, most === null || Number.isNaN(high) ? null : Math.max(least, Math.ceil(high))]
}

const added = (intervals: readonly (readonly [number, number | null])[]): [number, number | null] => [
  intervals.reduce((total, [low]) => total + low, 0),
  sum(intervals.map(([, high]) => high)),
]
