import { readableDuration } from '../src/duration.ts'
import type { DrillReportInput } from '../src/evidence/html-report.ts'
import type { BackupReport, DeployReport, MoveReport, RestoreTestOutcome, StatusReport } from '../src/evidence/reports.ts'
import type { LedgerVerdict } from './ledger/judge-ledger.ts'

export interface DrillMove {
  readonly to: string
  readonly report: MoveReport
  readonly predictedGapMs: number
  /** When the command ran, in milliseconds since 1970. */
  readonly window: { readonly from: number; readonly to: number }
  /** The longest time without an acknowledged write, as a client saw it. */
  readonly clientGapMs: number | null
}

export interface DrillFacts {
  readonly begunAt: string
  readonly endedAt: string
  readonly deploy: DeployReport
  readonly secondDeploy: DeployReport
  readonly backup: BackupReport
  readonly restoreTest: RestoreTestOutcome
  readonly moves: readonly DrillMove[]
  readonly ledger: LedgerVerdict & { readonly run: string }
  readonly statusAfter: StatusReport
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
    demand(move.report.verdict === 'moved', `the move to ${move.to} ${move.report.verdict}: ${move.report.failure?.what ?? ''}`)
    demand(move.report.evidence !== null, `the move to ${move.to} left no evidence`)
  }
  const epochs = facts.moves.map((move) => move.report.epoch)
  demand(
    epochs.every((epoch) => epoch.after === epoch.before + 1),
    'an epoch did not grow by one',
  )
  demand(facts.ledger.acknowledged > 0, 'no write was acknowledged')
  demand(facts.ledger.lostAcknowledged.length === 0, `${facts.ledger.lostAcknowledged.length} acknowledged writes are lost`)
  demand(facts.ledger.ghosts.length === 0, `${facts.ledger.ghosts.length} refused writes are in the database`)
  demand(
    facts.statusAfter.verdict !== 'broken',
    `afterwards the stack is ${facts.statusAfter.verdict}: ${facts.statusAfter.findings.map((finding) => finding.what).join('; ')}`,
  )
  return failures
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
      `move to ${move.to}`,
      `${move.report.verdict}, epoch ${move.report.epoch.before} → ${move.report.epoch.after}`,
      readableDuration(move.report.duration),
    ])
    rows.push([
      '  write gap, client',
      `predicted ${readableDuration(move.predictedGapMs)}`,
      move.clientGapMs === null ? '?' : readableDuration(move.clientGapMs),
    ])
    for (const phase of move.report.phases)
      rows.push([`  ${phase.phase}`, '', readableDuration(Date.parse(phase.endedAt) - Date.parse(phase.begunAt))])
  }
  const { ledger } = facts
  rows.push([
    'writes',
    `${ledger.acknowledged} acknowledged, ${ledger.failed} failed, ${ledger.unknown} unknown (${ledger.recovered.length} of them arrived)`,
    '',
  ])
  rows.push(['acknowledged writes lost', String(ledger.lostAcknowledged.length), ''])
  rows.push(['status afterwards', facts.statusAfter.verdict, ''])
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) => `${(row[0] ?? '').padEnd(widths[0] ?? 0)}  ${(row[1] ?? '').padEnd(widths[1] ?? 0)}  ${row[2] ?? ''}`.trimEnd())
    .join('\n')
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
    facts: [
      { name: 'acknowledged writes lost', value: String(facts.ledger.lostAcknowledged.length) },
      {
        name: 'writes',
        value: `${facts.ledger.acknowledged} acknowledged, ${facts.ledger.failed} failed, ${facts.ledger.unknown} unknown`,
      },
      { name: 'first deploy', value: `${facts.deploy.verdict} in ${readableDuration(facts.deploy.duration)}` },
      { name: 'second deploy', value: `${facts.secondDeploy.verdict} in ${readableDuration(facts.secondDeploy.duration)}` },
      { name: 'status afterwards', value: facts.statusAfter.verdict },
    ],
    restoreTest: facts.restoreTest,
    moves: facts.moves.map((move) => ({ report: move.report, clientGapMs: move.clientGapMs, predictedGapMs: move.predictedGapMs })),
  }
}
