import { readableDuration } from '../duration.ts'
import type {
  DeployReport,
  MoveReport,
  PlanReport,
  RestoreTestOutcome,
  SiteStatus,
  StatusReport,
  StepReport,
} from '../operations/reports.ts'
import { schedule, sequenceOf } from '../planning/order-steps.ts'
import type { Finding } from '../planning/plan.ts'
import { moveFacts } from './move-facts.ts'
import { continuation, directionOf, endText, fencingText, isGood, learnedText, livenessText, lossText, spanText } from './move-words.ts'
import { inOrder } from './step-times.ts'
import { gapText, signOf } from './words.ts'

/** GitHub drops the whole summary of a step beyond 1 MiB. */
const LARGEST = 900 * 1024

const MARKS: Readonly<Record<string, string>> = { '✓': '✅', '!': '⚠️', '✗': '❌', '?': '❔', '·': '▫️', '↶': '↩️' }
const mark = (state: string): string => MARKS[signOf(state)] ?? '❔'

/** Text of others inside Markdown and HTML: never markup, never a new row. */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[|`*_~[\]\\#@]/g, (char) => `&#${char.charCodeAt(0)};`)
    .replaceAll(/\s*\n\s*/g, ' ')

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Whole lines, up to what GitHub takes; said when something was left out. */
export function withinLimit(text: string, limit = LARGEST): string {
  if (Buffer.byteLength(text) <= limit) return text
  const note = '\n\n_Cut: the full result is in the output `result`._\n'
  let bytes = Buffer.byteLength(note)
  const kept: string[] = []
  for (const line of text.split('\n')) {
    bytes += Buffer.byteLength(line) + 1
    if (bytes > limit) break
    kept.push(line)
  }
  return `${kept.join('\n')}${note}`
}

const findingRows = (findings: readonly Finding[]): string =>
  findings.length === 0
    ? '_No findings._'
    : table(
        ['', 'finding', 'what', 'next'],
        findings.map((finding) => [
          finding.severity === 'blocker' ? '❌' : finding.severity === 'warning' ? '⚠️' : 'ℹ️',
          finding.code,
          escaped(finding.what),
          escaped(finding.next ?? ''),
        ]),
      )

export function statusSummary(report: StatusReport): string {
  const names = report.sites[0]?.components.map((component) => component.name) ?? []
  const rows = names.map((name) => [
    escaped(name),
    ...report.sites.map((site) => {
      const component = site.components.find((candidate) => candidate.name === name)
      return component === undefined
        ? ''
        : `${mark(component.health)} ${escaped(component.text)}${component.gap === null ? '' : `<br>behind: ${gapText(component.gap)}`}`
    }),
  ])
  const everywhere = report.everywhere.map((component) => [
    escaped(component.name),
    `${mark(component.health)} ${escaped(component.text)}`,
    ...report.sites.slice(1).map(() => ''),
  ])
  return withinLimit(
    [
      `## ${report.verdict === 'green' ? '✅' : report.verdict === 'degraded' ? '⚠️' : '❌'} ${escaped(report.stack)} is ${report.verdict}`,
      `Active: **${escaped(report.activeSite ?? 'nobody knows')}**, epoch ${report.epoch ?? '-'}, observed ${report.at}.`,
      table(
        ['', ...report.sites.map((site) => `${escaped(site.name)} (${site.role})`)],
        [
          ['site', ...report.sites.map((site) => `${site.reachable ? '✅' : '❌'} ${escaped(site.text)}`)],
          ...rows,
          ['last restore test', ...report.sites.map(restoreTestOf)],
          ...everywhere,
        ],
      ),
      findingRows(report.findings),
    ].join('\n\n'),
  )
}

export function deploySummary(report: DeployReport): string {
  const changes = report.units.flatMap((unit) =>
    unit.changes.map((change) => [unit.id, change.kind, escaped(change.object), escaped(change.path ?? '')]),
  )
  return withinLimit(
    [
      `## ${report.verdict === 'failed' ? '❌' : '✅'} deploy of ${escaped(report.stack)}: ${report.verdict}`,
      report.failure === null
        ? `In ${readableDuration(report.duration)}.`
        : `**${report.failure.code}**: ${escaped(report.failure.what)} ${escaped(report.failure.next ?? '')}`,
      table(
        ['', 'unit', 'differences', 'took'],
        report.units.map((unit) => [
          mark(unit.outcome),
          unit.id,
          String(unit.changes.length),
          unit.duration === 0 ? '' : readableDuration(unit.duration),
        ]),
      ),
      ...(changes.length === 0
        ? []
        : [
            `<details><summary>${changes.length} differences</summary>\n\n${table(['unit', 'change', 'object', 'field'], changes)}\n\n</details>`,
          ]),
      findingRows(report.findings),
    ].join('\n\n'),
  )
}

const restoreTestOf = ({ lastRestoreTest }: SiteStatus): string =>
  lastRestoreTest === null ? '-' : `${lastRestoreTest.verdict}<br>${lastRestoreTest.at}`

/** What a reviewer reads before approving: direction, predictions, both sites, findings, steps, digest. */
export function planSummary(report: PlanReport): string {
  const { plan, status } = report
  const times = schedule(plan.steps)
  const steps = sequenceOf(plan.steps).map((step) => [
    `+${((times.get(step.id)?.begins ?? 0) / 1000).toFixed(1)} s`,
    step.phase,
    step.id,
    escaped(step.title),
    step.irreversible ? '**point of no return**' : '',
  ])
  return withinLimit(
    [
      `## ${report.executable ? '✅' : '❌'} Plan for ${escaped(plan.stack.name)}: ${directionOf(plan.intent)}`,
      report.executable
        ? `Approve only if this digest is the one that you reviewed:\n\n\`${report.digest}\``
        : '**This move is refused**: see the findings.',
      table(
        ['prediction', ''],
        [
          ['in all', readableDuration(plan.predictions.duration)],
          ['writes refused for', readableDuration(plan.predictions.writeGap)],
          ['these times', learnedText(plan)],
          ['data lost', escaped(lossText(plan.predictions.loss))],
          ...(plan.intent.acceptLoss === undefined ? [] : [['loss accepted', readableDuration(plan.intent.acceptLoss)]]),
          ['fence', escaped(fencingText(plan.fencing))],
          ['seen', escaped(livenessText(plan.liveness))],
          ['epoch', `${plan.epoch} → ${plan.epoch + 1}`],
          ['expires', plan.expiresAt],
        ],
      ),
      table(
        ['site', ...status.sites.map((site) => `${site.name} (${site.role})`)],
        [
          ...(status.sites[0]?.components ?? []).map((component, index) => [
            component.name,
            ...status.sites.map(
              (site) => `${mark(site.components[index]?.health ?? 'unknown')} ${escaped(site.components[index]?.text ?? '')}`,
            ),
          ]),
          ['last restore test', ...status.sites.map(restoreTestOf)],
        ],
      ),
      findingRows(plan.findings),
      table(['begins', 'phase', 'step', 'what it does', ''], steps),
    ].join('\n\n'),
  )
}

export function moveSummary(report: MoveReport): string {
  const ordered = inOrder(report.steps)
  return withinLimit(
    [
      `## ${isGood(report) ? '✅' : '❌'} ${escaped(report.stack)}: ${endText(report)}`,
      report.failure === null
        ? `${report.from} → ${report.to} ${spanText(report)}${report.writeGap === null ? '' : `, writes refused for ${readableDuration(report.writeGap)}`}, epoch ${report.epoch.before} → ${report.epoch.after}.`
        : `**${report.failure.code}**: ${escaped(report.failure.what)}\n\n${escaped(report.failure.next ?? '')}`,
      escaped(continuation(report) ?? ''),
      table(
        ['', ''],
        moveFacts(report).map(([name, text]) => [name, escaped(text)]),
      ),
      ...(ordered.length === 0
        ? []
        : [
            table(
              ['', 'phase', 'step', 'took', 'what it did'],
              ordered.map((step) => [mark(step.outcome), step.phase, step.id, tookOf(step), escaped(step.title)]),
            ),
          ]),
      gantt(ordered),
      `Run \`${report.run}\`, plan \`${report.planId}\`, digest \`${report.digest}\`.`,
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  )
}

const tookOf = (step: StepReport): string =>
  step.begunAt === null || step.endedAt === null ? '' : readableDuration(Date.parse(step.endedAt) - Date.parse(step.begunAt))

/** Drawn by GitHub; the table above says the same. */
function gantt(steps: readonly StepReport[]): string {
  const timed = steps.filter((step) => step.begunAt !== null && step.endedAt !== null)
  if (timed.length === 0) return ''
  const bars = timed.map(
    (step) =>
      `    ${step.id.replaceAll(/[:;,#]/g, ' ')} :${step.outcome === 'failed' ? 'crit, ' : ''}${Date.parse(step.begunAt ?? '')}, ${Math.max(Date.parse(step.endedAt ?? ''), Date.parse(step.begunAt ?? '') + 50)}`,
  )
  const sections = [...new Set(timed.map((step) => step.phase))].flatMap((phase) => [
    `    section ${phase}`,
    ...bars.filter((_, index) => timed[index]?.phase === phase),
  ])
  return ['```mermaid', 'gantt', '    dateFormat x', '    axisFormat %M:%S', ...sections, '```'].join('\n')
}

export function restoreTestSummary(outcome: RestoreTestOutcome): string {
  const sign =
    outcome.verdict === 'restorable' ? '✅' : outcome.verdict === 'degraded' ? '⚠️' : outcome.verdict === 'inconclusive' ? '❔' : '❌'
  return withinLimit(
    [
      `## ${sign} The backups of ${escaped(outcome.source)} are ${outcome.verdict}`,
      [
        outcome.failure === null ? '' : `**${outcome.failure.code}**: ${escaped(outcome.failure.what)}`,
        outcome.provenRpo === null ? '' : `Age of the restored data: ${readableDuration(outcome.provenRpo)}.`,
        outcome.provenRto === null ? '' : `Restored and judged in ${readableDuration(outcome.provenRto)}.`,
        `Sandbox ${escaped(outcome.sandbox.namespace)} on ${outcome.sandbox.site}: ${outcome.sandbox.removed ? 'removed' : '**not removed**'}.`,
      ]
        .filter((line) => line !== '')
        .join(' '),
      table(
        ['', 'component', 'check', 'expected', 'found'],
        outcome.checks.map((check) => [
          mark(check.outcome),
          escaped(check.component),
          check.id,
          escaped(check.expected),
          escaped(check.found),
        ]),
      ),
    ].join('\n\n'),
  )
}
