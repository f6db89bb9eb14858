import { LOCK_STEP } from '../../src/planning/witness-steps.ts'
import { median } from '../../src/values/percentile.ts'
import { inSeconds, promise } from '../bench/figures.ts'
import { longestGap } from '../ledger/judge-ledger.ts'
import { judgeCase } from './judge-case.ts'
import type { Moment } from './kill-moments.ts'
import type { CaseFacts } from './run-case.ts'

/** A move, and when its first process logged each moment; milliseconds since 1970. */
export interface TimedMove {
  readonly facts: CaseFacts
  readonly moments: ReadonlyMap<Moment, number>
}

/** How long users wait, beyond the rest of the move, for a runner that died and was resumed at once; milliseconds. */
export const MOST_LOST = 15_000

/** What one kill cost. Milliseconds. */
export interface KillFigures {
  readonly moment: Moment
  /** From the kill until the process that resumes the run has the lock. */
  readonly untilLock: number
  /**
   * From the kill until users are served: until the longest gap ends. Zero where it had ended, or was never as long as
   * a gap of a living move.
   */
  readonly untilServed: number
  /** The same, from the same moment, of moves that were not killed (p50): the rest of the move. */
  readonly rest: number
  /**
   * The whole gap: what went before the kill, which may be slower than usual too, is in it. Reported, and not judged.
   */
  readonly gap: number
  readonly failures: readonly string[]
}

/** What was measured and promised, line by line, and whether every promise was kept. Pure. */
export function judgeKills(
  living: readonly TimedMove[],
  killed: readonly TimedMove[],
): { readonly lines: string[]; readonly kept: boolean } {
  const kills = killed.map((move) => judgeKill(move, living))
  const broken = living.flatMap(({ facts }) =>
    judgeCase(facts).failures.map((why) => `a move that was not killed: ${why}`),
  )
  const beyond = kills.map(({ untilServed, rest }) => untilServed - rest)
  const kept = broken.length === 0 && kills.every(({ failures }) => failures.length === 0)
  const lines = [
    `${kills.length} kills of a switchover, each resumed at once by another process, beside ${living.length} moves that were not killed:`,
    ...kills.map(killLine),
    ...broken,
    `  gap of a move that was not killed    ${range(living.map(gapOf))}`,
    `  gap of a killed one                  ${range(kills.map(({ gap }) => gap))}`,
    `  from the kill to the lock            ${range(kills.map(({ untilLock }) => untilLock))}`,
    `  until served, beyond the rest        ${range(beyond)}`,
    promise(
      kept,
      `users are served within ${inSeconds(MOST_LOST)} plus the rest of the move, and every other promise of a move`,
    ),
  ]
  return { lines, kept }
}

function judgeKill(move: TimedMove, living: readonly TimedMove[]): KillFigures {
  const { facts, moments } = move
  const killedAt = facts.diedAt ?? Number.NaN
  const [moment] = [...moments.keys()].slice(-1)
  const lockedAt = Date.parse(facts.executed.steps.find(({ id }) => id === LOCK_STEP)?.endedAt ?? '')
  const rests = living.flatMap((one) => restOf(one, one.moments.get(moment ?? '')) ?? [])
  const figures = {
    moment: moment ?? 'no moment',
    untilLock: lockedAt - killedAt,
    untilServed: restOf(move, killedAt) ?? Number.NaN,
    rest: median(rests),
    gap: gapOf(move),
  }
  const { untilLock, untilServed, rest } = figures
  // Negated, so that a missing measurement (NaN) does not count as a kept promise.
  const late = [
    ...(untilLock <= MOST_LOST ? [] : [`the lock was had ${inSeconds(untilLock)} after the kill`]),
    ...(untilServed <= MOST_LOST + rest
      ? []
      : [`users were served ${inSeconds(untilServed)} after the kill, the rest is ${inSeconds(rest)}`]),
  ]
  const whole = [
    ...(facts.deaths === 1 ? [] : [`${facts.deaths} processes died`]),
    ...(facts.executed.evidence === null ? ['it left no evidence'] : []),
  ]
  return { ...figures, failures: [...late, ...whole, ...judgeCase(facts).failures] }
}

const gapOf = ({ facts }: TimedMove): number => longestGap(facts.entries)?.durationMs ?? Number.NaN

/** From an instant of a move until its users are served again; null without an instant. */
function restOf({ facts }: TimedMove, at: number | undefined): number | null {
  if (at === undefined) return null
  const served = longestGap(facts.entries)?.to
  return served === undefined ? null : Math.max(0, served - at)
}

function killLine({ moment, untilLock, untilServed, rest, gap, failures }: KillFigures): string {
  const figures = `lock after ${inSeconds(untilLock)}, served after ${inSeconds(untilServed)} (the rest is ${inSeconds(rest)}), gap ${inSeconds(gap)}`
  return `  ${moment.padEnd(52)} ${figures}${failures.map((why) => `; BROKEN: ${why}`).join('')}`
}

const range = (values: readonly number[]): string =>
  `min ${inSeconds(Math.min(...values))}, p50 ${inSeconds(median(values))}, max ${inSeconds(Math.max(...values))}`
