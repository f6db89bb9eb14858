import { PHASES, type Phase } from '../../src/domain/plan.ts'
import type { SiteName } from '../topology.ts'
import { stepInLine } from './cases.ts'

/**
 * What a move of either direction logs in the same words: a step begins, or is done. Sites are called `from` and `to`.
 */
export type Moment = string

/** The phases in which doors close and open again: a runner that dies here leaves users shut out. */
const SHUT: readonly Phase[] = PHASES.slice(PHASES.indexOf('DRAIN'), PHASES.indexOf('TRAFFIC') + 1)

/** The moment that a log line of a move names; null for any other line. Pure. */
export function momentIn(line: string, from: SiteName): Moment | null {
  const named = stepInLine(line)
  if (named === null || named.at === 'waits' || !SHUT.includes(named.phase)) return null
  const step = named.step.replace(/@(dc-\w+)/, (_, site: string) => (site === from ? '@from' : '@to'))
  return `${named.phase} ${step} ${named.at}`
}

/** The indexes of the moments at which runners die: spread evenly, from the first on. Pure. */
export const spreadOver = (moments: number, kills: number): number[] =>
  Array.from({ length: kills }, (_, kill) => Math.floor((kill * moments) / kills))
