import type { StatusReport } from '../../src/evidence/reports.ts'
import { judgeLedger, longestGap } from '../ledger/judge-ledger.ts'
import type { SiteName } from '../topology.ts'
import { historyEnds, isFought, lossIn, nameOf } from './cases.ts'
import type { CaseFacts } from './run-case.ts'

export interface CaseVerdict {
  readonly name: string
  readonly failures: readonly string[]
  /** One line for a table. */
  readonly figures: string
}

/** Whether a case kept every promise. Pure. */
export function judgeCase(facts: CaseFacts): CaseVerdict {
  const ledger = judgeLedger(facts.entries, facts.ids)
  const failures = [
    ...ofMove(facts),
    ...ofLedger(facts, ledger),
    ...ofOtherSite(facts),
    ...ofWriters(facts),
    ...ofReturnedSite(facts),
    ...ofTimeline(facts),
    ...ofArchive(facts),
    ...ofFight(facts),
    ...ofEnd(facts),
  ]
  const served = facts.executed.duration / 1000
  const figures = `${facts.executed.verdict} in ${served.toFixed(0)} s, ${ledger.acknowledged} acknowledged, ${ledger.lostAcknowledged.length} lost, ${ledger.unknown} unknown, longest gap ${((longestGap(facts.entries)?.durationMs ?? 0) / 1000).toFixed(1)} s, ${facts.deaths} deaths, two writable databases for ${(facts.twoWritersMs / 1000).toFixed(1)} s${facts.returned === null ? '' : `, writable when it came back for ${(facts.returned.writableMs / 1000).toFixed(1)} s`}`
  return { name: nameOf(facts.one), failures, figures }
}

function ofMove({ executed, rejoined, one }: CaseFacts): string[] {
  const ended =
    executed.verdict === (one.takenBack ? 'undone' : 'moved')
      ? []
      : [`the move ended ${executed.verdict}: ${executed.failure?.code ?? ''} ${executed.failure?.what ?? ''}`]
  if (!historyEnds(one) || rejoined?.verdict === 'moved') return ended
  return [
    ...ended,
    `the rejoin ended ${rejoined?.verdict ?? 'never'}: ${rejoined?.failure?.code ?? ''} ${rejoined?.failure?.what ?? ''}`,
  ]
}

/**
 * A controller that writes the old values back is noticed within seconds: users are served again within half a minute.
 */
const FOUGHT_GAP = 30_000
/**
 * A controller that keeps the database from before the move on is noticed before any door is closed. What is left is
 * the delay of a machine with two cores.
 */
const UNNOTICED_GAP = 3_000

function ofFight({ one, entries, executed, overAt }: CaseFacts): string[] {
  if (one.trouble === 'controller-late') {
    const served = servedAgain(entries, overAt) - overAt
    return served <= FOUGHT_GAP
      ? []
      : [`users were served ${(served / 1000).toFixed(0)} s after the other controller was paused`]
  }
  if (!isFought(one)) return []
  const gap = longestGap(entries)?.durationMs ?? 0
  const known = executed.failure?.code === 'reverted-by-others'
  const bound = one.trouble === 'controller' ? UNNOTICED_GAP : FOUGHT_GAP
  return [
    ...(gap <= bound ? [] : [`users were out for ${(gap / 1000).toFixed(0)} s beside another controller`]),
    ...(known ? [] : [`the other controller was not named: ${executed.failure?.code ?? 'no failure'}`]),
  ]
}

/** From when on, after a moment, every write was accepted; milliseconds since 1970. */
const servedAgain = (entries: CaseFacts['entries'], after: number): number =>
  entries
    .filter(({ outcome, endedAt }) => outcome !== 'acknowledged' && endedAt > after)
    .reduce((last, { endedAt }) => Math.max(last, endedAt), after)

/**
 * A switchover loses nothing, nor does a move that is taken back. A failover loses no more than a person accepted, and
 * nothing older than was predicted.
 */
function ofLedger(facts: CaseFacts, ledger: ReturnType<typeof judgeLedger>): string[] {
  const failures: string[] = []
  const lost = new Set(ledger.lostAcknowledged)
  const [, upper] = facts.planned.plan.predictions.loss.seconds
  const { mode, takenBack } = facts.one
  const loses = historyEnds(facts.one)
  const bound = loses ? (upper ?? Number.NaN) * 1000 : 0
  const tooOld = facts.entries.filter(({ id, endedAt }) => lost.has(id) && !(endedAt > facts.troubleAt - bound))
  if (!loses && lost.size > 0)
    failures.push(`a ${mode}${takenBack ? ' that was taken back' : ''} lost ${lost.size} acknowledged writes`)
  else if (tooOld.length > 0) failures.push(`${tooOld.length} lost writes are older than the predicted ${upper} s`)
  const found = facts.rejoined?.loss?.found?.rows[1] ?? Number.POSITIVE_INFINITY
  if (facts.rejoined !== null && lost.size > found)
    failures.push(`${lost.size} acknowledged writes are lost, and the rejoin found ${found} rows`)
  if (ledger.ghosts.length > 0) failures.push(`${ledger.ghosts.length} writes were said to be refused, and are there`)
  if (ledger.unexpected.length > 0) failures.push(`${ledger.unexpected.length} writes are there that no client made`)
  const lastly = facts.entries.filter(
    ({ outcome, startedAt }) => outcome === 'acknowledged' && startedAt > facts.movedAt,
  )
  if (lastly.length === 0) failures.push('no write was accepted after the move')
  return failures
}

const sitesInTheEnd = ({ one, from, to }: CaseFacts): { readonly serving: SiteName; readonly other: SiteName } =>
  one.takenBack ? { serving: from, other: to } : { serving: to, other: from }

/** After the end of the move the site that was left accepts no write, also when it comes back. */
function ofOtherSite(facts: CaseFacts): string[] {
  const { entries, movedAt } = facts
  const { other } = sitesInTheEnd(facts)
  const answered = entries.filter(
    ({ site, outcome, startedAt }) => site === other && outcome === 'acknowledged' && startedAt > movedAt,
  )
  return answered.length === 0 ? [] : [`${other} accepted ${answered.length} writes after the move`]
}

/**
 * By the databases' own logs. A site that was lost believes that it is active when it comes back, until its guard shuts
 * it. A site that was only cut off was open all the while, for its guard may not have learnt of the move, unless the
 * failover waited for that guard. No user reaches it (see `ofOtherSite`). Anything else with two writers is a defect.
 */
function ofWriters({ one, planned, troubleAt, healedAt, twoWritersMs }: CaseFacts): string[] {
  const loss = lossIn(one)
  const waited = planned.plan.fencing.planned.includes('database')
  const cutOff = loss === 'cut' ? healedAt - troubleAt : 0
  const may = !historyEnds(one) || (waited && loss === 'cut') ? 0 : cutOff + GUARDED_WITHIN
  return twoWritersMs <= may ? [] : [`both databases took writes for ${(twoWritersMs / 1000).toFixed(1)} s`]
}
/**
 * Boot of the site, start of the guard and one round of it; some 20 s more where the database heard the fence too
 * early.
 */
const GUARDED_WITHIN = 30_000

/**
 * A site that comes back is shut by its guard: soon, completely, and for clients that bypass the load balancers too.
 */
function ofReturnedSite({ returned, from }: CaseFacts): string[] {
  if (returned === null) return []
  return [
    ...(returned.stillWritable
      ? [`the database of ${from} still takes writes, and its guard says that it is shut`]
      : []),
    ...(returned.writableMs > GUARDED_WITHIN
      ? [`the database of ${from} took writes for ${(returned.writableMs / 1000).toFixed(1)} s when it was back`]
      : []),
    ...(returned.answersBehindItsGuard ? [`${from} accepted a write at its own address, although its guard runs`] : []),
  ]
}

/** Each promotion begins a timeline. More timelines than promotions: another instance was promoted too. */
function ofTimeline({ before, after, one }: CaseFacts): string[] {
  const [was, is] = [timelineOf(before), timelineOf(after)]
  // What is taken back may have been demoted or not, for a runner may die before the demotion.
  if (was === null || is === null || one.takenBack || one.amid !== null || is === was + 1) return []
  return [`the database went from timeline ${was} to ${is} by one promotion`]
}
const timelineOf = ({ sites }: StatusReport): number | null => {
  const active = sites.find(({ role }) => role === 'active')?.components ?? []
  const found = active.map(({ text }) => /^primary, timeline (\d+)/.exec(text)?.[1]).find((one) => one !== undefined)
  return found === undefined ? null : Number(found)
}

/**
 * Where its archive was closed, and stays closed, a site that comes back cannot go on with the history that it left.
 */
function ofArchive({ one, planned, archivedLater }: CaseFacts): string[] {
  if (one.takenBack || !planned.plan.fencing.planned.includes('archive') || archivedLater.length === 0) return []
  return [`the lost site archived ${archivedLater.length} objects when it was back: ${archivedLater[0]}`]
}

/**
 * In the end everything is as after an undisturbed move, or as before it. An epoch begins with the lock, and is never
 * taken back.
 */
function ofEnd(facts: CaseFacts): string[] {
  const { before, after, undeclared, one } = facts
  const { serving } = sitesInTheEnd(facts)
  const failures: string[] = []
  if (after.activeSite !== serving) failures.push(`${after.activeSite} is active, and ${serving} should be`)
  const epochs = (historyEnds(one) ? 2 : 1) + (one.amid === null ? 0 : 1)
  if (after.epoch !== (before.epoch ?? 0) + epochs)
    failures.push(`the epoch went from ${before.epoch} to ${after.epoch}`)
  const [was, is] = [shapeOf(before), shapeOf(after)]
  if (was !== is) failures.push(`the end is not that of an undisturbed move: ${is} instead of ${was}`)
  if (undeclared.length > 0)
    failures.push(`a deploy would change ${undeclared.length} things in the end: ${undeclared[0]}`)
  return failures
}

/**
 * Roles and health by role of the site: equal before and after, for every move ends as it began, the other way round.
 */
function shapeOf(status: StatusReport): string {
  const sites = [...status.sites].sort((a, b) => (a.role < b.role ? -1 : 1))
  return JSON.stringify(
    sites.map(({ role, components }) => [
      role,
      components.map(({ name, role: itsRole, health }) => `${name} ${itsRole} ${health}`),
    ]),
  )
}
