import type { Mode, Predictions } from '../src/domain/plan.ts'
import type {
  BackupReport,
  DeployReport,
  MoveReport,
  RestoreTestOutcome,
  StatusReport,
} from '../src/evidence/reports.ts'
import { type DrillReportInput, usersNoticed } from '../src/reporting/html-report.ts'
import { readableDuration } from '../src/values/duration.ts'
import type { LedgerVerdict } from './ledger/judge-ledger.ts'
import type { LedgerEntry } from './ledger/ledger-entry.ts'
import { lostBeyondPlan, type PlannedLoss, timeLost } from './ledger/lost-beyond-plan.ts'
import { addressOf } from './topology.ts'

export interface DrillMove {
  readonly to: string
  readonly mode: Mode
  readonly report: MoveReport
  readonly predicted: Predictions
  /** When the command ran, in milliseconds since 1970. */
  readonly window: { readonly from: number; readonly to: number }
  /** The longest time without an acknowledged write, as a client saw it. */
  readonly clientGapMs: number | null
}

/** What the moves of a drill did to the writes of its users. */
export interface LossFacts {
  readonly moves: readonly DrillMove[]
  /** The site that was killed before the failover; null in a drill without one. */
  readonly lost: LostSite | null
  readonly entries: readonly LedgerEntry[]
  readonly ledger: LedgerVerdict & { readonly run: string }
}

export interface DrillFacts extends LossFacts {
  /** What was asked for beside the usual drill, as on its command line. */
  readonly variant: string
  readonly begunAt: string
  readonly endedAt: string
  readonly deploy: DeployReport
  readonly secondDeploy: DeployReport
  readonly backup: BackupReport
  readonly restoreTest: RestoreTestOutcome
  readonly statusAfter: StatusReport
  /** What a deploy would change in the end. */
  readonly undeclared: readonly string[]
  /** Which addresses asked the private store; null in a drill without one. */
  readonly storeAskers: readonly string[] | null
}

export interface LostSite {
  readonly site: string
  /** When it was killed, in milliseconds since 1970. */
  readonly at: number
  /**
   * How long two sites' databases took writes at once, by their own logs, until the site that came back was shut;
   * milliseconds. No user reaches it then.
   */
  readonly twoWritersMs: number
}

/** What must be true and is not; empty when the drill passed. Pure. */
export function drillVerdict(facts: DrillFacts): string[] {
  const failures: string[] = []
  const demand = (good: boolean, what: string): void => {
    if (!good) failures.push(what)
  }
  demand(
    facts.secondDeploy.verdict === 'unchanged',
    `a second deploy changed something: ${facts.secondDeploy.units
      .filter((unit) => unit.changes.length > 0)
      .map((unit) => unit.id)
      .join(', ')}`,
  )
  demand(facts.backup.failure === null, `the backup failed: ${facts.backup.failure?.what ?? ''}`)
  demand(
    facts.restoreTest.verdict === 'restorable',
    `the restore test says ${facts.restoreTest.verdict}: ${facts.restoreTest.checks
      .filter((check) => check.outcome !== 'pass')
      .map((check) => `${check.id} ${check.found}`)
      .join('; ')}`,
  )
  demand(facts.restoreTest.sandbox.removed, 'the sandbox was not removed')
  for (const move of facts.moves) {
    demand(
      move.report.verdict === 'moved',
      `the move to ${move.to} ${move.report.verdict}: ${move.report.failure?.what ?? ''}`,
    )
    demand(move.report.evidence !== null, `the move to ${move.to} left no evidence`)
  }
  for (const host of ['dc-a', 'dc-b'] as const)
    demand(
      facts.storeAskers === null || facts.storeAskers.includes(addressOf[host]),
      `no pod of ${host} asked the private store`,
    )
  if (facts.lost !== null) demandOfFailover(facts, facts.lost, demand)
  for (const { site, writes } of lateWrites(facts)) demand(false, `${site} accepted ${writes} writes after it was left`)
  const epochs = facts.moves.map((move) => move.report.epoch)
  demand(
    epochs.every((epoch) => epoch.after === epoch.before + 1),
    'an epoch did not grow by one',
  )
  demand(facts.ledger.acknowledged > 0, 'no write was acknowledged')
  const { lostAcknowledged, unexpected } = facts.ledger
  const beyond = lostBeyondPlan(facts.entries, lostAcknowledged, plannedLoss(facts))
  demand(beyond.length === 0, `${beyond.length} acknowledged writes are lost, and no plan said so`)
  demand(unexpected.length === 0, `${unexpected.length} writes are in the database that no client made`)
  demand(facts.ledger.ghosts.length === 0, `${facts.ledger.ghosts.length} refused writes are in the database`)
  demand(
    facts.statusAfter.verdict !== 'broken',
    `afterwards the stack is ${facts.statusAfter.verdict}: ${facts.statusAfter.findings.map((finding) => finding.what).join('; ')}`,
  )
  for (const what of facts.undeclared.slice(0, 3)) demand(false, `a deploy would change something in the end: ${what}`)
  return failures
}

/** A site that boots again, its guard's start and one round of it. */
const SHUT_WITHIN = 30_000

function demandOfFailover(facts: DrillFacts, lost: LostSite, demand: (good: boolean, what: string) => void): void {
  const most = mostRowsFound(facts)
  const { length } = facts.ledger.lostAcknowledged
  demand(length <= most, `${length} acknowledged writes are lost, and the rejoin found ${most} rows`)
  demand(lost.twoWritersMs <= SHUT_WITHIN, `both databases took writes for ${readableDuration(lost.twoWritersMs)}`)
}

/** The rows that the rejoin found on the lost site alone, at most. */
export const mostRowsFound = ({ moves }: Pick<LossFacts, 'moves'>): number =>
  (moves.find(({ mode }) => mode === 'rejoin')?.report.loss?.found?.rows ?? [0, 0])[1] ?? Number.POSITIVE_INFINITY

/** What the plan of the failover said; null in a drill without one. */
export function plannedLoss({ moves, lost }: Pick<LossFacts, 'moves' | 'lost'>): PlannedLoss | null {
  const failover = moves.find(({ mode }) => mode === 'failover')
  if (failover === undefined || lost === null) return null
  return { seconds: failover.predicted.loss.seconds[1], lostAt: lost.at, leftAt: failover.window.to }
}

/** Writes that a site accepted after a move left it, and before a move came back to it. */
export function lateWrites({
  moves,
  entries,
}: Pick<LossFacts, 'moves' | 'entries'>): { readonly site: string; readonly writes: number }[] {
  const left = moves.filter(({ mode }) => mode !== 'rejoin')
  return left.flatMap(({ report: { from, verdict }, window }, index) => {
    const back = left.slice(index + 1).find(({ to }) => to === from)?.window.from ?? Number.POSITIVE_INFINITY
    const late = entries.filter(
      ({ site, outcome, startedAt }) =>
        site === from && outcome === 'acknowledged' && startedAt > window.to && startedAt < back,
    )
    return verdict === 'moved' && late.length > 0 ? [{ site: from, writes: late.length }] : []
  })
}

/** The table that the drill ends with. Pure. */
export function drillTable(facts: DrillFacts): string {
  const rows: string[][] = [
    ['first deploy', facts.deploy.verdict, readableDuration(facts.deploy.duration)],
    ['second deploy', facts.secondDeploy.verdict, readableDuration(facts.secondDeploy.duration)],
    ['backup', facts.backup.failure === null ? 'taken' : 'failed', readableDuration(facts.backup.duration)],
    [
      'restore test',
      `${facts.restoreTest.verdict}, ${facts.restoreTest.checks.filter((check) => check.outcome === 'pass').length}/${facts.restoreTest.checks.length} checks`,
      readableDuration(facts.restoreTest.duration),
    ],
  ]
  for (const move of facts.moves) {
    rows.push([
      `${move.mode} ${move.mode === 'rejoin' ? 'of' : 'to'} ${move.to}`,
      `${move.report.verdict}, epoch ${move.report.epoch.before} → ${move.report.epoch.after}`,
      readableDuration(move.report.duration),
    ])
    for (const { name, span, beside } of usersNoticed(pictured(move))) rows.push([`  ${name}`, beside, span])
    for (const phase of move.report.phases)
      rows.push([`  ${phase.phase}`, '', readableDuration(Date.parse(phase.endedAt) - Date.parse(phase.begunAt))])
  }
  const { ledger } = facts
  rows.push(['writes', writesText(ledger), ''])
  rows.push(['acknowledged writes lost', String(ledger.lostAcknowledged.length), ''])
  if (facts.lost !== null) rows.push(...lossRows(facts, facts.lost))
  rows.push(['status afterwards', facts.statusAfter.verdict, ''])
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      `${(row[0] ?? '').padEnd(widths[0] ?? 0)}  ${(row[1] ?? '').padEnd(widths[1] ?? 0)}  ${row[2] ?? ''}`.trimEnd(),
    )
    .join('\n')
}

export const pictured = ({
  report,
  clientGapMs,
  predicted: { writeGap },
}: DrillMove): DrillReportInput['moves'][number] => ({
  report,
  clientGapMs,
  predictedGapMs: writeGap,
})

export const writesText = ({ acknowledged, failed, unknown, recovered }: LedgerVerdict): string =>
  `${acknowledged} acknowledged, ${failed} failed, ${unknown} unknown (${recovered.length} of them arrived)`

/** What the failover lost, as its plan, its own count, the client and the rejoin have it. */
export function lossRows({ moves, entries, ledger }: Omit<LossFacts, 'lost'>, lost: LostSite): string[][] {
  const failover = moves.find(({ mode }) => mode === 'failover')
  const found = moves.find(({ mode }) => mode === 'rejoin')?.report.loss?.found
  const { seconds, likely } = failover?.predicted.loss ?? { seconds: [0, null] }
  const counted = failover?.report.loss?.counted?.seconds[1] ?? null
  return [
    ['  loss predicted', `at most ${seconds[1] ?? '?'} s${likely === undefined ? '' : `, likely ${likely} s`}`, ''],
    ['  loss counted by the failover', `at most ${counted ?? '?'} s`, ''],
    [
      '  loss by the ledger',
      'from the first lost write to the last',
      readableDuration(timeLost(entries, ledger.lostAcknowledged)),
    ],
    [
      '  found by the rejoin',
      found === undefined ? 'not counted' : `${between(found.rows, 'row')} in ${between(found.commits, 'commit')}`,
      '',
    ],
    ['two writable databases', `${lost.site} was back, and not yet shut`, readableDuration(lost.twoWritersMs)],
  ]
}

const between = ([low, high]: readonly [number, number | null], one: string): string => {
  const count = high === null ? `at least ${low}` : [...new Set([low, high])].join(' to ')
  return `${count} ${one}${(high ?? low) === 1 ? '' : 's'}`
}

/** The same facts for the picture. Pure. */
export function drillReport(facts: DrillFacts): DrillReportInput {
  const failures = drillVerdict(facts)
  return {
    title: `Drill of ${facts.deploy.stack}`,
    verdict: failures.length === 0 ? 'passed' : 'failed',
    failures,
    begunAt: facts.begunAt,
    endedAt: facts.endedAt,
    variant: facts.variant,
    facts: [
      { name: 'acknowledged writes lost', value: String(facts.ledger.lostAcknowledged.length) },
      ...(facts.lost === null ? [] : lossRows(facts, facts.lost)).map(([name = '', ...values]) => ({
        name: name.trim(),
        value: values.filter((value) => value !== '').join(': '),
      })),
      { name: 'writes', value: writesText(facts.ledger) },
      {
        name: 'backup',
        value: `${facts.backup.failure === null ? 'taken' : 'failed'} in ${readableDuration(facts.backup.duration)}`,
      },
      { name: 'first deploy', value: `${facts.deploy.verdict} in ${readableDuration(facts.deploy.duration)}` },
      {
        name: 'second deploy',
        value: `${facts.secondDeploy.verdict} in ${readableDuration(facts.secondDeploy.duration)}`,
      },
      { name: 'status afterwards', value: facts.statusAfter.verdict },
    ],
    restoreTest: facts.restoreTest,
    moves: facts.moves.map(pictured),
  }
}
