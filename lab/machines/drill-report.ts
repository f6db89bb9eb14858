import type { Mode } from '../../src/domain/plan.ts'
import type { BackupReport, DeployReport, RestoreTestOutcome, StatusReport } from '../../src/evidence/reports.ts'
import { type DrillReportInput, usersNoticed } from '../../src/reporting/html-report.ts'
import { readableDuration } from '../../src/values/duration.ts'
import {
  type DrillMove,
  type LossFacts,
  lateWrites,
  lossRows,
  mostRowsFound,
  pictured,
  plannedLoss,
  writesText,
} from '../drill-report.ts'
import { lostBeyondPlan, type PlannedLoss } from '../ledger/lost-beyond-plan.ts'
import type { RedisVerdict } from './redis-ledger.ts'

/** What the drill on machines has seen. */
export interface MachinesDrill extends LossFacts {
  readonly begunAt: string
  readonly endedAt: string
  readonly deploy: DeployReport
  readonly backup: BackupReport
  readonly restoreTest: RestoreTestOutcome
  /** After the first two moves, when the site is active again that was so at the first deploy; null: not reached. */
  readonly secondDeploy: DeployReport | null
  readonly redis: RedisVerdict
  readonly statusAfter: StatusReport
}

/** The moves of the drill, in their order. */
export const MOVES = ['switchover', 'switchover', 'failover', 'rejoin'] as const satisfies readonly Mode[]
/** The components of the stack that a restore test restores: one that is left out must not go unnoticed. */
const TESTED = ['database', 'cache', 'application']
type Demand = readonly [isTrue: boolean, what: string]

/** What must be true and is not; empty when the drill passed. Pure. */
export function drillVerdict(facts: MachinesDrill): string[] {
  const { moves, ledger, redis, statusAfter } = facts
  const planned = plannedLoss(facts)
  const beyond = lostBeyondPlan(facts.entries, ledger.lostAcknowledged, planned).length
  const ofRedis = redis.lost.filter(({ at }) => !isAnnounced(at, planned)).length
  const most = mostRowsFound(facts)
  const demands: readonly Demand[] = [
    ...demandsOfBackup(facts),
    ...moves.flatMap((move): Demand[] => [
      [
        move.report.verdict === 'moved',
        `the ${nameOf(move)} ${move.report.verdict}: ${move.report.failure?.what ?? ''}`,
      ],
      [move.report.evidence !== null, `the ${nameOf(move)} left no evidence`],
      [
        move.report.epoch.after === move.report.epoch.before + 1,
        `the epoch of the ${nameOf(move)} did not grow by one`,
      ],
    ]),
    [moves.length === MOVES.length, `${moves.length} of ${MOVES.length} moves were made`],
    ...lateWrites(facts).map(
      ({ site, writes }): Demand => [false, `${site} accepted ${writes} writes after it was left`],
    ),
    [ledger.acknowledged > 0, 'the application acknowledged no write'],
    [beyond === 0, `${beyond} acknowledged writes are lost, and no plan said so`],
    [
      ledger.lostAcknowledged.length <= most,
      `${ledger.lostAcknowledged.length} acknowledged writes are lost, and the rejoin found ${most} rows`,
    ],
    [ledger.unexpected.length === 0, `${ledger.unexpected.length} writes are in the database that no client made`],
    [ledger.ghosts.length === 0, `${ledger.ghosts.length} refused writes are in the database`],
    [redis.acknowledged > 0, 'Redis acknowledged no write'],
    [ofRedis === 0, `${ofRedis} writes that Redis acknowledged are lost, and no plan said so`],
    [
      facts.lost === null || facts.lost.twoWritersMs === 0,
      `the databases of two sites took writes for ${facts.lost?.twoWritersMs} ms`,
    ],
    [
      statusAfter.verdict === 'green',
      `afterwards the stack is ${statusAfter.verdict}: ${statusAfter.findings.map(({ what }) => what).join('; ')}`,
    ],
    ...demandsOfDeploy(facts.secondDeploy),
  ]
  return demands.flatMap(([isTrue, what]) => (isTrue ? [] : [what]))
}

const nameOf = ({ mode, to }: Pick<DrillMove, 'mode' | 'to'>): string =>
  `${mode} ${mode === 'rejoin' ? 'of' : 'to'} ${to}`

const isAnnounced = (at: number, planned: PlannedLoss | null): boolean =>
  planned !== null && at > planned.lostAt - (planned.seconds ?? 0) * 1_000 && at < planned.leftAt

function demandsOfBackup({ backup, restoreTest }: MachinesDrill): Demand[] {
  const failed = restoreTest.checks.filter(({ outcome }) => outcome !== 'pass')
  const why = [
    ...failed.map(({ component, id, found }) => `${component} ${id}: ${found}`),
    ...(restoreTest.failure === null ? [] : [restoreTest.failure.what]),
  ]
  const untested = TESTED.filter((name) => !restoreTest.components.some(({ component }) => component === name))
  return [
    [backup.failure === null, `the backup failed: ${backup.failure?.what ?? ''}`],
    [restoreTest.verdict === 'restorable', `the restore test says ${restoreTest.verdict}: ${why.join('; ')}`],
    [untested.length === 0, `the restore test did not restore ${untested.join(', ')}`],
    [restoreTest.sandbox.removed, 'the sandbox was not emptied'],
  ]
}

function demandsOfDeploy(deploy: DeployReport | null): Demand[] {
  if (deploy === null) return [[false, 'the second deploy was not reached']]
  const changed = deploy.units.filter(({ changes }) => changes.length > 0).map(({ id }) => id)
  const why = deploy.failure?.what ?? changed.join(', ')
  return [[deploy.verdict === 'unchanged', `a second deploy is ${deploy.verdict}, not unchanged: ${why}`]]
}

/** The table that the drill ends with. Pure. */
export function drillTable(facts: MachinesDrill): string {
  const { deploy, secondDeploy, backup, restoreTest } = facts
  const rows: string[][] = [
    ['first deploy', deploy.verdict, readableDuration(deploy.duration)],
    ['backup', backupText(backup), readableDuration(backup.duration)],
    ['restore test', testText(restoreTest), readableDuration(restoreTest.duration)],
    ...facts.moves.flatMap((move) => [
      [
        nameOf(move),
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
    ...factRows(facts),
    ...(secondDeploy === null
      ? []
      : [['second deploy', secondDeploy.verdict, readableDuration(secondDeploy.duration)]]),
    ['the whole drill', '', readableDuration(Date.parse(facts.endedAt) - Date.parse(facts.begunAt))],
  ]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map(([name = '', value = '', span = '']) =>
      `${name.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${span}`.trimEnd(),
    )
    .join('\n')
}

const backupText = ({ failure }: BackupReport): string => (failure === null ? 'taken' : 'failed')
const testText = ({ verdict, checks }: RestoreTestOutcome): string =>
  `${verdict}, ${checks.filter(({ outcome }) => outcome === 'pass').length}/${checks.length} checks`

function factRows(facts: MachinesDrill): string[][] {
  const { ledger, redis, lost, statusAfter } = facts
  return [
    ['writes', writesText(ledger), ''],
    ['acknowledged writes lost', String(ledger.lostAcknowledged.length), ''],
    ...(lost === null ? [] : lossRows(facts, lost)),
    ['writes to Redis', `${redis.acknowledged} acknowledged, ${redis.refused} refused`, ''],
    ['acknowledged writes to Redis lost', String(redis.lost.length), ''],
    ['Redis without writes for', '', readableDuration(redis.longestGap)],
    ['status afterwards', statusAfter.verdict, ''],
  ]
}

/** The same facts for the picture. Pure. */
export function drillReport(facts: MachinesDrill): DrillReportInput {
  const failures = drillVerdict(facts)
  const { deploy, secondDeploy, backup } = facts
  const timed = (verdict: string, duration: number): string => `${verdict} in ${readableDuration(duration)}`
  return {
    title: `Drill of ${deploy.stack}`,
    verdict: failures.length === 0 ? 'passed' : 'failed',
    failures,
    begunAt: facts.begunAt,
    endedAt: facts.endedAt,
    variant: '',
    facts: [
      ...factRows(facts).map(([name = '', ...values]) => ({
        name: name.trim(),
        value: values.filter((value) => value !== '').join(': '),
      })),
      { name: 'backup', value: timed(backupText(backup), backup.duration) },
      { name: 'first deploy', value: timed(deploy.verdict, deploy.duration) },
      ...(secondDeploy === null
        ? []
        : [{ name: 'second deploy', value: timed(secondDeploy.verdict, secondDeploy.duration) }]),
    ],
    restoreTest: facts.restoreTest,
    moves: facts.moves.map(pictured),
  }
}
