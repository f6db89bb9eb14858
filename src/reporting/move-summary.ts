import type { MoveReport } from '../evidence/reports.ts'
import { inOrder } from '../evidence/step-times.ts'
import type { StepReport } from '../execution/step-report.ts'
import { readableDuration } from '../values/duration.ts'
import { escaped, mark, table, withinLimit } from './markdown.ts'
import { moveFacts } from './move-facts.ts'
import { continuation, courseText, endText, goodOf } from './move-words.ts'

const MARKS = { good: '✅', asked: '↩️', bad: '❌' } as const

export function moveSummary(report: MoveReport): string {
  const ordered = inOrder(report.steps)
  const { deviations = [] } = report
  return withinLimit(
    [
      `## ${MARKS[goodOf(report)]} ${escaped(report.stack)}: ${endText(report)}`,
      report.failure === null ? '' : `**${report.failure.code}**: ${escaped(report.failure.what)}`,
      escaped(report.failure?.next ?? ''),
      report.verdict === 'refused' ? '' : `${sentence(courseText(report))}.`,
      escaped(continuation(report) ?? ''),
      table(
        ['', ''],
        moveFacts(report).map(([name, text]) => [name, escaped(text)]),
      ),
      ...(deviations.length === 0
        ? []
        : [
            table(
              ['otherwise than planned', 'predicted', 'was'],
              deviations.map(({ what, predicted, was }) => [escaped(what), escaped(predicted), escaped(was)]),
            ),
          ]),
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

function tookOf({ outcome, begunAt, endedAt }: StepReport): string {
  if (outcome === 'unknown') return 'begun, outcome unknown'
  if (begunAt === null || endedAt === null) return ''
  return readableDuration(Date.parse(endedAt) - Date.parse(begunAt))
}

const sentence = (text: string): string => text.replace(/^(in|this)\b/, (word) => (word === 'in' ? 'In' : 'This'))

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
