import { acceptedLossText } from '../domain/accepted-loss.ts'
import { type Finding, leavesLostSite } from '../domain/plan.ts'
import type { Change } from '../driver/deployment.ts'
import type {
  BackupReport,
  ComponentStatus,
  DeployReport,
  MoveReport,
  PlanReport,
  RestoreTestOutcome,
  SiteStatus,
  StatusReport,
} from '../evidence/reports.ts'
import { inOrder } from '../evidence/step-times.ts'
import { agoText, gapText, signOf } from '../evidence/words.ts'
import type { StepReport } from '../execution/step-report.ts'
import { schedule, sequenceOf } from '../planning/order-steps.ts'

import { readableDuration } from '../values/duration.ts'
import { oneLine } from '../values/harmless-text.ts'
import { moveFacts } from './move-facts.ts'
import {
  continuation,
  courseText,
  directionOf,
  endText,
  fencingText,
  goodOf,
  learnedText,
  livenessText,
  lossText,
  needsOfLostSiteText,
  noWayBackText,
  refusalPredicted,
} from './move-words.ts'
import { restoreTestLines } from './restore-test-lines.ts'

/** How the text may look. */
export interface Style {
  readonly colour: boolean
}

const paint = (style: Style, code: number, text: string): string =>
  style.colour ? `\u001b[${code}m${text}\u001b[0m` : text
/** The colours of a terminal for good results, for warnings and for bad results. */
const COLOURS = { good: 32, warning: 33, bad: 31 } as const
type Good = keyof typeof COLOURS
const verdictOf = (style: Style, good: Good, text: string): string => paint(style, COLOURS[good], text)

const GOOD_STATUS = {
  green: 'good',
  degraded: 'warning',
  broken: 'bad',
} as const satisfies Record<StatusReport['verdict'], Good>
const GOOD_RESTORE_TEST = {
  restorable: 'good',
  degraded: 'warning',
  'not-restorable': 'bad',
  inconclusive: 'bad',
} as const satisfies Record<RestoreTestOutcome['verdict'], Good>
const GOOD_MOVE = { good: 'good', asked: 'warning', bad: 'bad' } as const satisfies Record<string, Good>

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, index) => Math.max(all[index] ?? 0, cell.length)),
    [],
  )
  return rows
    .map((row) =>
      row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))).join('  '),
    )
    .join('\n')
}

/** Both sites side by side, verdict first. */
export function statusText(report: StatusReport, style: Style): string {
  const head = `${report.stack}: ${verdictOf(style, GOOD_STATUS[report.verdict], report.verdict)}  active ${report.activeSite ?? 'unknown'}, epoch ${report.epoch ?? '-'}, ${report.at}`
  return [head, '', sitesText(report), ...findingsText(report.findings, style)].join('\n')
}

/** All sites side by side: their state, components and backups; then the components that belong to no single site. */
function sitesText(report: StatusReport): string {
  const names = report.sites[0]?.components.map((component) => component.name) ?? []
  const cell = (component: ComponentStatus | undefined): string => {
    if (component === undefined) return ''
    const { health, text, gap } = component
    return `${signOf(health)} ${text}${gap === null ? '' : ` (behind: ${gapText(gap)})`}`
  }
  const rows = [
    ['', ...report.sites.map((site) => `${site.name} (${site.role})`)],
    ['site', ...report.sites.map((site) => `${site.reachable ? '✓' : '✗'} ${site.text}`)],
    ...names.map((name) => [
      name,
      ...report.sites.map((site) => cell(site.components.find((component) => component.name === name))),
    ]),
    ['last backup', ...report.sites.map((site) => lastBackup(site, report.at))],
    ['restore test', ...report.sites.map((site) => restoreTestLines(site, report.at).join('; '))],
  ]
  const everywhere = report.everywhere.map((component) => `${component.name}, of no single site: ${cell(component)}`)
  return [table(rows), ...(everywhere.length === 0 ? [] : ['', ...everywhere])].join('\n')
}

/** The age of the oldest last backup of a component. */
function lastBackup({ components }: SiteStatus, now: string): string {
  const taken = components.flatMap(({ name, lastBackup: at }) => (at === null ? [] : [{ name, at }]))
  const [oldest] = taken.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
  if (oldest === undefined) return '-'
  return `${agoText(oldest.at, now)}${taken.length === 1 ? '' : ` (${oldest.name}; the others are newer)`}`
}

function findingsText(findings: readonly Finding[], style: Style): string[] {
  if (findings.length === 0) return []
  const colour = { blocker: 31, warning: 33, info: 36 } as const
  return [
    '',
    ...findings.flatMap((finding) => [
      `${paint(style, colour[finding.severity], finding.severity)} ${finding.code}: ${finding.what}`,
      ...(finding.next === undefined ? [] : [`  next: ${finding.next}`]),
    ]),
  ]
}

export function deployText(report: DeployReport, style: Style): string {
  const rows = report.units.map((unit) => [
    unit.outcome,
    unit.id,
    unit.changes.length === 0 ? '' : `${unit.changes.length} differences`,
  ])
  const changes = report.units.flatMap((unit) => unit.changes.map((change) => `  ${changeText(change)}`.slice(0, 300)))
  return [
    `${report.stack}: ${verdictOf(style, report.verdict === 'failed' ? 'bad' : 'good', report.verdict)} in ${readableDuration(report.duration)}`,
    '',
    table(rows),
    ...(changes.length === 0 ? [] : ['', ...changes]),
    ...failureLines(report.failure),
    ...findingsText(report.findings, style),
  ].join('\n')
}

function failureLines(failure: DeployReport['failure']): string[] {
  if (failure === null) return []
  const { code, what, next } = failure
  return ['', `${code}: ${what}`, ...(next === null ? [] : [`  next: ${next}`])]
}

function changeText({ kind, object, path, from, to, why }: Change): string {
  const what = `${kind} ${object}${path === undefined ? '' : ` ${path}`}`
  if (why !== undefined) return `${what}: ${why}`
  if (path === undefined) return what
  const before = JSON.stringify(from) ?? 'nothing'
  return kind === 'keep' ? `${what}: ${before}` : `${what}: ${before} → ${JSON.stringify(to) ?? 'nothing'}`
}

export function planText(report: PlanReport, style: Style): string {
  const { plan } = report
  const times = schedule(plan.steps)
  const refused = refusalPredicted(plan)
  const rows = sequenceOf(plan.steps).map((step) => [
    step.phase,
    `+${((times.get(step.id)?.begins ?? 0) / 1000).toFixed(1)} s`,
    readableDuration(step.expected),
    step.id,
    `${step.title}${inBrackets(noWayBackText(step, plan.intent))}`,
  ])
  return [
    `${plan.stack.name}: ${directionOf(plan.intent)}  ${verdictOf(style, report.executable ? 'good' : 'bad', report.executable ? 'can be executed' : 'is refused')}`,
    `expected: ${readableDuration(plan.predictions.duration)} in all${refused === null ? '' : `, ${refused.join(' ')}`} (${learnedText(plan)})`,
    `loss: ${lossText(plan.predictions.loss)}`,
    ...(plan.intent.acceptLoss === undefined ? [] : [`loss accepted: ${acceptedLossText(plan.intent.acceptLoss)}`]),
    `fence: ${fencingText(plan.fencing)}`,
    ...(leavesLostSite(plan.intent) ? [`needs of ${plan.intent.from}: ${needsOfLostSiteText(plan)}`] : []),
    `seen: ${livenessText(plan.liveness)}`,
    '',
    sitesText(report.status),
    '',
    table([['phase', 'begins', 'takes', 'step', 'what it does'], ...rows]),
    ...findingsText(plan.findings, style),
    '',
    `digest ${report.digest}`,
    `expires ${plan.expiresAt}`,
  ].join('\n')
}

const inBrackets = (text: string): string => (text === '' ? '' : ` (${text})`)

export function moveText(report: MoveReport, style: Style): string {
  const { deviations = [] } = report
  const head = `${report.stack}: ${verdictOf(style, GOOD_MOVE[goodOf(report)], endText(report))}  ${courseText(report)}`
  const next = continuation(report)
  return [
    head,
    ...failureLines(report.failure),
    ...(next === null ? [] : ['', next]),
    '',
    stepsTable(report.steps),
    '',
    table(moveFacts(report)),
    ...(deviations.length === 0
      ? []
      : [
          '',
          table([
            ['otherwise than planned', 'predicted', 'was'],
            ...deviations.map(({ what, predicted, was }) => [what, predicted, was].map(oneLine)),
          ]),
        ]),
    '',
    `run ${report.run}`,
  ].join('\n')
}

const stepsTable = (steps: readonly StepReport[]): string =>
  table(inOrder(steps).map((step) => [step.outcome, step.phase, step.id, durationOf(step)]))

const durationOf = (step: StepReport): string =>
  step.begunAt === null || step.endedAt === null
    ? ''
    : readableDuration(Date.parse(step.endedAt) - Date.parse(step.begunAt))

export function backupText(report: BackupReport, style: Style): string {
  const verdict =
    report.failure === null ? verdictOf(style, 'good', 'backed up') : verdictOf(style, 'bad', 'not backed up')
  const failure = report.failure === null ? [] : [`${report.failure.code}: ${report.failure.what}`]
  return [
    `${report.stack}: ${verdict} ${report.site} in ${readableDuration(report.duration)}`,
    ...failure,
    '',
    stepsTable(report.steps),
  ].join('\n')
}

export function restoreTestText(outcome: RestoreTestOutcome, style: Style): string {
  const good = GOOD_RESTORE_TEST[outcome.verdict]
  const rows = outcome.checks.map((check) => [
    signOf(check.outcome),
    check.component,
    check.id,
    `expected ${check.expected}`,
    `found ${check.found}`,
  ])
  const proven = [
    outcome.provenRpo === null ? null : `age of the data ${readableDuration(outcome.provenRpo)}`,
    outcome.provenRto === null ? null : `restored in ${readableDuration(outcome.provenRto)}`,
  ].filter((part) => part !== null)
  return [
    `${outcome.stack}: the backups of ${outcome.source} are ${verdictOf(style, good, outcome.verdict)}  ${proven.join(', ')}`,
    `sandbox ${outcome.sandbox.site} ${outcome.sandbox.namespace}: ${outcome.sandbox.removed ? 'removed' : 'NOT removed'}`,
    ...(outcome.failure === null ? [] : [`${outcome.failure.code}: ${outcome.failure.what}`]),
    '',
    table(rows),
  ].join('\n')
}
