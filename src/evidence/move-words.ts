import { readableDuration } from '../duration.ts'
import type { MoveReport } from '../operations/reports.ts'
import type { Liveness } from '../planning/liveness.ts'
import type { Fencing, Intent, Loss, Plan } from '../planning/plan.ts'
import type { FenceLevel } from '../stack/fence-levels.ts'

/** What a plan is about, in one line. */
export function directionOf({ mode, from, to }: Intent): string {
  if (mode === 'rejoin') return `rejoin: ${to} comes back as a passive site behind ${from}`
  return mode === 'failover' ? `failover: ${from} is lost, ${to} takes over` : `switchover: ${from} → ${to}`
}

/** A predicted or counted loss: what may be gone, in seconds and bytes, and how that is known. */
export function lossText({ seconds, bytes, likely, why }: Loss): string {
  if (seconds[1] === 0 && bytes[1] === 0) return `nothing: ${why}`
  const probably = likely === undefined ? '' : `, likely at most ${readableDuration(likely * 1_000)}`
  const until = seconds[1] === null ? 'nobody knows how much' : `up to ${readableDuration(seconds[1] * 1_000)} of writes${probably}`
  const size = bytes[1] === null ? `at least ${bytes[0]} bytes` : `${bytes[0]} to ${bytes[1]} bytes`
  return `${until} (${size}): ${why}`
}

/** How long users are predicted to be refused: name and text. Of a rejoin nothing: the active site serves all the while. */
export function refusalPredicted({ intent: { mode }, predictions: { writeGap } }: Plan): readonly [string, string] | null {
  return mode === 'rejoin' ? null : ['writes refused for', readableDuration(writeGap)]
}

/** What the times of a plan rest on. */
export function learnedText({ predictions: { learned }, steps }: Plan): string {
  const { runs, steps: known } = learned
  if (runs === 0) return 'first run: estimates'
  const from = `from ${runs} former ${runs === 1 ? 'run' : 'runs'}`
  return known === steps.length ? from : `${from} for ${known} of ${steps.length} steps, estimates for the others`
}

export function fencingText({ required, planned, byTime }: Fencing): string {
  if (required === null) return 'none is needed'
  return `required: ${required}; this plan shuts: ${levelsText(planned, byTime)}`
}

/** Levels of the fence; those that nobody sees shut are marked. */
export const levelsText = (levels: readonly FenceLevel[], byTime: readonly FenceLevel[] = []): string =>
  levels.map((level) => (byTime.includes(level) ? `${level} (by time)` : level)).join(', ') || 'nothing'

export function livenessText({ site, is, sightings }: Liveness): string {
  const said = sightings.map(({ from, says, what }) => `${from}: ${says} (${what})`).join('; ')
  return `${site} is ${is}${said === '' ? '' : `: ${said}`}`
}

/** How a run ended, as a person reads it first. */
export function endText({ verdict, mode, from, to }: MoveReport): string {
  if (verdict === 'refused') return 'refused: nothing was changed'
  if (verdict === 'undone') return `taken back: ${from} serves as before`
  if (verdict === 'stopped') return 'stopped half way: a person has to look'
  return mode === 'rejoin' ? `${to} has rejoined, and follows ${from}` : `moved to ${to}`
}

/** Whether the end is a good one: `undone` is what an abort asked for, and no move. */
export const isGood = ({ verdict }: MoveReport): boolean => verdict === 'moved'

/** `in 12.5 s`; of a run that several processes worked on, `this process: 12.5 s`. */
export const spanText = ({ duration, processes = 1 }: MoveReport): string =>
  `${processes > 1 ? 'this process:' : 'in'} ${readableDuration(duration)}`

/** What to look at, and which command continues; null where nothing is left to do. */
export function continuation(report: MoveReport): string | null {
  if (report.verdict !== 'stopped') return null
  const where = report.steps.find(({ outcome }) => outcome === 'failed') ?? report.steps.find(({ outcome }) => outcome === 'unknown')
  const look = where === undefined ? 'Look at both sites' : `Look at ${where.id}${where.site === null ? '' : ` on ${where.site}`}`
  const passed = report.steps.some(
    ({ id, outcome }) => id.startsWith('witness.activate@') && (outcome === 'done' || outcome === 'was-done'),
  )
  const back = passed || report.mode === 'rejoin' ? '' : `, or take it back: standby failover abort --run ${report.run}`
  return `${look}; then continue: standby failover resume --run ${report.run}${back}`
}
