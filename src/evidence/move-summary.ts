import { readableDuration } from '../duration.ts'
import type { MoveReport, StepReport } from '../operations/reports.ts'
import { escaped, mark, table, withinLimit } from './markdown.ts'
import { moveFacts } from './move-facts.ts'
import { continuation, endText, isGood, spanText } from './move-words.ts'
import { inOrder } from './step-times.ts'

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
