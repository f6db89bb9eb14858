import { readableDuration } from '../duration.ts'
import type { DeployReport } from '../operations/reports.ts'
import { escaped, findingRows, mark, table, withinLimit } from './markdown.ts'

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
