import type { Predictions } from '../../src/domain/plan.ts'
import type { DeployReport, MoveReport, StatusReport } from '../../src/evidence/reports.ts'
import { type DrillReportInput, usersNoticed } from '../../src/reporting/html-report.ts'
import { readableDuration } from '../../src/values/duration.ts'
import type { LedgerVerdict } from '../ledger/judge-ledger.ts'
import type { RedisVerdict } from './redis-ledger.ts'

export interface MachinesMove {
  readonly report: MoveReport
  readonly predicted: Predictions
  /** When the command ran, in milliseconds since 1970. */
  readonly window: { readonly from: number; readonly to: number }
  /** The longest time without an acknowledged write of the application, as a client saw it. */
  readonly clientGapMs: number | null
}

/** What the drill on machines has seen. */
export interface MachinesDrill {
  readonly begunAt: string
  readonly endedAt: string
  readonly deploy: DeployReport
  readonly secondDeploy: DeployReport
  readonly moves: readonly MachinesMove[]
  readonly ledger: LedgerVerdict & { readonly run: string }
  readonly redis: RedisVerdict
  readonly statusAfter: StatusReport
}

/** What must be true and is not; empty when the drill passed. Pure. */
export function drillVerdict({ moves, ledger, redis, secondDeploy, statusAfter }: MachinesDrill): string[] {
  const demands: readonly (readonly [boolean, string])[] = [
    ...moves.flatMap(({ report }): (readonly [boolean, string])[] => [
      [report.verdict === 'moved', `the move to ${report.to} ${report.verdict}: ${report.failure?.what ?? ''}`],
      [report.evidence !== null, `the move to ${report.to} left no evidence`],
      [report.epoch.after === report.epoch.before + 1, `the epoch of the move to ${report.to} did not grow by one`],
    ]),
    [moves.length === 2, `${moves.length} of 2 moves were made`],
    [ledger.acknowledged > 0, 'the application acknowledged no write'],
    [ledger.lostAcknowledged.length === 0, `${ledger.lostAcknowledged.length} acknowledged writes are lost`],
    [ledger.unexpected.length === 0, `${ledger.unexpected.length} writes are in the database that no client made`],
    [ledger.ghosts.length === 0, `${ledger.ghosts.length} refused writes are in the database`],
    [redis.acknowledged > 0, 'Redis acknowledged no write'],
    [redis.lost.length === 0, `${redis.lost.length} writes that Redis acknowledged are lost`],
    [
      statusAfter.verdict === 'green',
      `afterwards the stack is ${statusAfter.verdict}: ${statusAfter.findings.map(({ what }) => what).join('; ')}`,
    ],
    [
      secondDeploy.verdict === 'unchanged',
      `a second deploy is ${secondDeploy.verdict}, not unchanged: ${secondDeploy.failure?.what ?? changedIn(secondDeploy)}`,
    ],
  ]
  return demands.flatMap(([isTrue, what]) => (isTrue ? [] : [what]))
}

const changedIn = ({ units }: DeployReport): string =>
  units
    .filter(({ changes }) => changes.length > 0)
    .map(({ id }) => id)
    .join(', ')

/** The table that the drill ends with. Pure. */
export function drillTable(facts: MachinesDrill): string {
  const rows: string[][] = [
    ['first deploy', facts.deploy.verdict, readableDuration(facts.deploy.duration)],
    ...facts.moves.flatMap((move) => [
      [
        `${move.report.mode} to ${move.report.to}`,
        `${move.report.verdict}, epoch ${move.report.epoch.before} → ${move.report.epoch.after}`,
        readableDuration(move.report.duration),
      ],
      ...usersNoticed(pictured(move)).map(({ name, span, beside }) => [`  ${name}`, beside, span]),
      ...move.report.phases.map(({ phase, begunAt, endedAt }) => [
        `  ${phase}`,
        '',
        readableDuration(Date.parse(endedAt) - Date.parse(begunAt)),
      ]),
    ]),
    ...factRows(facts).map(([name, value]) => [name, value, '']),
    ['second deploy', facts.secondDeploy.verdict, readableDuration(facts.secondDeploy.duration)],
    ['the whole drill', '', readableDuration(Date.parse(facts.endedAt) - Date.parse(facts.begunAt))],
  ]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map(([name = '', value = '', span = '']) =>
      `${name.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${span}`.trimEnd(),
    )
    .join('\n')
}

const pictured = ({ report, clientGapMs, predicted }: MachinesMove): DrillReportInput['moves'][number] => ({
  report,
  clientGapMs,
  predictedGapMs: predicted.writeGap,
})

function factRows({ ledger, redis, statusAfter }: MachinesDrill): [string, string][] {
  const { acknowledged, failed, unknown, recovered, lostAcknowledged } = ledger
  return [
    [
      'writes',
      `${acknowledged} acknowledged, ${failed} failed, ${unknown} unknown (${recovered.length} of them arrived)`,
    ],
    ['acknowledged writes lost', String(lostAcknowledged.length)],
    ['writes to Redis', `${redis.acknowledged} acknowledged, ${redis.refused} refused`],
    ['acknowledged writes to Redis lost', String(redis.lost.length)],
    ['Redis without writes for', readableDuration(redis.longestGap)],
    ['status afterwards', statusAfter.verdict],
  ]
}

/** The same facts for the picture. Pure. */
export function drillReport(facts: MachinesDrill): DrillReportInput {
  const failures = drillVerdict(facts)
  const deployed = ({ verdict, duration }: DeployReport): string => `${verdict} in ${readableDuration(duration)}`
  return {
    title: `Drill of ${facts.deploy.stack}`,
    verdict: failures.length === 0 ? 'passed' : 'failed',
    failures,
    begunAt: facts.begunAt,
    endedAt: facts.endedAt,
    variant: '',
    facts: [
      ...factRows(facts).map(([name, value]) => ({ name, value })),
      { name: 'first deploy', value: deployed(facts.deploy) },
      { name: 'second deploy', value: deployed(facts.secondDeploy) },
    ],
    restoreTest: null,
    moves: facts.moves.map(pictured),
  }
}
