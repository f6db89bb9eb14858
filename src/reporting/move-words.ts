import type { FenceLevel } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import {
  changesActiveSite,
  type Fencing,
  type Intent,
  type Loss,
  leavesLostSite,
  type Plan,
  type PlannedStep,
} from '../domain/plan.ts'
import type { ChangedTable, FoundLoss } from '../evidence/kept-loss.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { countText, intervalText } from '../evidence/words.ts'
import { schedule } from '../planning/order-steps.ts'
import { activateStep } from '../planning/witness-steps.ts'
import { readableDuration } from '../values/duration.ts'
import { oneLine } from '../values/harmless-text.ts'

/** The direction of a plan, in one line. */
export function directionOf({ mode, from, to }: Intent): string {
  if (mode === 'reopen') return `reopen: ${to}, the active site, serves again`
  if (mode === 'rejoin') return `rejoin: ${to} comes back as a passive site behind ${from}`
  if (mode === 'follow') return `follow: the data has moved from ${from} to ${to} by itself, and the rest follows it`
  return mode === 'failover' ? `failover: ${from} is lost, ${to} takes over` : `switchover: ${from} → ${to}`
}

/** A predicted or measured loss: in seconds and bytes, and how it is known. */
export function lossText({ seconds, bytes, likely, why }: Loss): string {
  if (seconds[1] === 0 && bytes[1] === 0) return `nothing: ${why}`
  const probably = likely === undefined ? '' : `, likely at most ${readableDuration(likely * 1_000)}`
  const until =
    seconds[1] === null ? 'an unknown amount' : `up to ${readableDuration(seconds[1] * 1_000)} of writes${probably}`
  return `${until}${bytesText(bytes, seconds[1])}: ${why}`
}

/** How much a silent primary wrote last is unknown. */
function bytesText(bytes: Loss['bytes'], upToSeconds: number | null): string {
  if (bytes[1] !== null || (bytes[0] > 0 && upToSeconds !== null)) return ` (${intervalText(bytes, 'bytes')})`
  return upToSeconds === null ? '' : ', an unknown number of bytes'
}

/**
 * The steps of a failover that need the lost site. Every plan is checked for them when it is made (`move-steps.ts`).
 */
export function needsOfLostSiteText({ steps, intent: { from } }: Pick<Plan, 'steps' | 'intent'>): string {
  const there = steps.filter(({ site }) => site === from).map(({ id }) => id)
  return there.length === 0
    ? `nothing: no step acts on ${from} or waits for it`
    : `the steps that shut it, because it answers: ${there.join(', ')}`
}

/**
 * The loss that a rejoin found on its site, after what the previous move predicted and measured: names and texts. `9
 * rows in 3 commits (users: 7 inserted, 2 deleted), 6.0 s to 7.0 s of writes, 33.6 kB of WAL: …`.
 */
export function foundRows(found: FoundLoss, site: string): [string, string][] {
  const rows = [...rowsOfMoveBefore(found), [`only on ${site}`, foundText(found)] as const]
  // Records and names of tables are foreign text.
  return rows.map(([name, text]) => [name, oneLine(text)])
}

function rowsOfMoveBefore({ follows }: FoundLoss): [string, string][] {
  if (follows.is === 'unknown') return [['follows', `not known: ${follows.why}`]]
  return [
    ['follows', `${follows.mode} ${follows.run}`],
    ['predicted then', lossText(follows.predicted)],
    ['counted then', follows.counted === null ? 'not counted' : lossText(follows.counted)],
  ]
}

function foundText({ rows, commits, tables, seconds, bytes, why }: FoundLoss): string {
  const wal = sizeText(bytes, 'bytes', 'WAL')
  if (seconds[1] === 0) return `${['nothing that was committed', ...wal].join(', ')}: ${why}`
  const counts = [countText(rows, 'row') ?? 'an unknown number of rows', countText(commits, 'commit')].filter(
    (part) => part !== null,
  )
  return `${[`${counts.join(' in ')}${tablesText(tables)}`, ...sizeText(seconds, 'seconds', 'writes'), ...wal].join(', ')}: ${why}`
}

/** `160 B of WAL`, `at least 7.0 s of writes`; empty where the size is unknown or zero. */
function sizeText([low, high]: Loss['bytes'], unit: 'bytes' | 'seconds', what: string): string[] {
  if (high === null) return low === 0 ? [] : [`at least ${intervalText([low, low], unit)} of ${what}`]
  return high === 0 ? [] : [`${intervalText([low, high], unit)} of ${what}`]
}

/** How many tables are named, those with the most changes first; the proof of the step has all. */
const MOST_TABLES = 5

function tablesText(tables: readonly ChangedTable[]): string {
  if (tables.length === 0) return ''
  const changes = ({ inserted, updated, deleted }: ChangedTable): number => inserted + updated + deleted
  const named = tables
    .toSorted((a, b) => changes(b) - changes(a))
    .slice(0, MOST_TABLES)
    .map((one) => {
      const kinds = (['inserted', 'updated', 'deleted'] as const).flatMap((kind) =>
        one[kind] === 0 ? [] : [`${one[kind]} ${kind}`],
      )
      return `${one.table}: ${kinds.join(', ')}`
    })
  const more = tables.length - named.length
  if (more > 0) named.push(`and ${more} more ${more === 1 ? 'table' : 'tables'}`)
  return ` (${named.join('; ')})`
}

/**
 * How long users are predicted to be refused: name and text. In a failover or a follow users are refused since the
 * disaster, so this says when they are served again. Null for a rejoin: the active site serves throughout.
 */
export function refusalPredicted({
  intent: { mode },
  predictions: { writeGap },
  steps,
}: Plan): readonly [string, string] | null {
  if (!changesActiveSite({ mode })) return null
  const times = schedule(steps)
  const refused = readableDuration(writeGap)
  if (!leavesLostSite({ mode })) return ['writes refused for', refused]
  const opened = steps.flatMap(({ id, phase }) => (phase === 'TRAFFIC' ? (times.get(id)?.ends ?? []) : []))
  if (opened.length === 0) return ['writes refused for', `${refused}, since the first door is closed`]
  return ['users served again', `${readableDuration(Math.max(...opened))} after the start`]
}

/** What a reader must know of a step before it runs; empty for a step that can be taken back. */
export function noWayBackText(step: PlannedStep, intent: Intent): string {
  if (step.id === activateStep(intent)) return 'point of no return'
  return step.irreversible ? 'cannot be undone' : ''
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

/** Levels of the fence; levels that no step sees shut are marked. */
export const levelsText = (levels: readonly FenceLevel[], byTime: readonly FenceLevel[] = []): string =>
  levels.map((level) => (byTime.includes(level) ? `${level} (by time)` : level)).join(', ') || 'nothing'

export function livenessText({ site, is, sightings }: Liveness): string {
  const said = sightings.map(({ from, says, what }) => `${from}: ${says} (${what})`).join('; ')
  return `${site} is ${is}${said === '' ? '' : `: ${said}`}`
}

/** `sam: incident 4711`. */
export const askedText = ({ by, reason }: NonNullable<MoveReport['asked']>): string =>
  `${oneLine(by)}${reason === null ? '' : `: ${oneLine(reason)}`}`

/** `github-environment: rita`. */
export const approvedText = ({ kind, approvers }: NonNullable<MoveReport['approved']>): string =>
  `${kind}: ${approvers.map(({ name }) => oneLine(name)).join(', ') || 'none was needed'}`

/** How a run ended, as a person reads it first. */
export function endText({ verdict, mode, from, to }: MoveReport): string {
  if (verdict === 'refused') return 'refused: nothing was changed'
  if (verdict === 'undone' && mode === 'follow')
    return `taken back: as before the follow; the data is on ${to} all the same`
  if (verdict === 'undone')
    return mode === 'failover'
      ? `taken back: as before the failover; ${from} is still lost`
      : `taken back: ${from} serves as before`
  if (verdict === 'stopped') return 'stopped half way: a person must look'
  if (mode === 'reopen') return `${to} serves again`
  return mode === 'rejoin' ? `${to} has rejoined, and follows ${from}` : `moved to ${to}`
}

/** good: it moved. asked: it was taken back on request. bad: any other end. */
export function goodOf({ verdict, operation }: Pick<MoveReport, 'verdict' | 'operation'>): 'good' | 'asked' | 'bad' {
  if (verdict === 'moved') return 'good'
  return verdict === 'undone' && operation === 'abort' ? 'asked' : 'bad'
}

/** `dc-a → dc-b in 12.5 s, writes refused for 9.1 s, epoch 4 → 5`; without an arrow where nothing moved. */
export function courseText(report: MoveReport): string {
  const { verdict, mode, from, to, epoch } = report
  const arrow = verdict === 'moved' && changesActiveSite({ mode }) ? `${from} → ${to} ` : ''
  return [`${arrow}${spanText(report)}`, ...(refusedText(report) ?? []), `epoch ${epoch.before} → ${epoch.after}`].join(
    ', ',
  )
}

/** `in 12.5 s`; for a run of several processes, `this process: 12.5 s`. */
const spanText = ({ duration, processes = 1 }: MoveReport): string =>
  `${processes > 1 ? 'this process:' : 'in'} ${readableDuration(duration)}`

/**
 * How long users were refused. In a failover or a follow that is since the disaster, whose time no step knows: so this
 * says when they were served again.
 */
function refusedText({ mode, writeGap, rto }: MoveReport): string[] | null {
  if (writeGap === null) return null
  if (!leavesLostSite({ mode })) return [`writes refused for ${readableDuration(writeGap)}`]
  return rto?.execute == null ? null : [`users served ${readableDuration(rto.execute)} after the start`]
}

/** What to look at, and which command continues; null where nothing is left to do. */
export function continuation(report: MoveReport): string | null {
  if (report.verdict !== 'stopped') return null
  const where =
    report.steps.find(({ outcome }) => outcome === 'failed') ??
    report.steps.find(({ outcome }) => outcome === 'unknown')
  const place = where === undefined || where.site === null ? '' : ` on ${where.site}`
  const look = where === undefined ? 'Look at both sites' : `Look at ${where.id}${place}`
  const passed = report.steps.some(
    ({ id, outcome }) => id.startsWith('witness.activate@') && (outcome === 'done' || outcome === 'was-done'),
  )
  const back =
    passed || !changesActiveSite(report) ? '' : `, or take it back: standby failover abort --run ${report.run}`
  return `${look}; then continue: standby failover resume --run ${report.run}${back}`
}
