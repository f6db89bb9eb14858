import type { DeployReport } from '../evidence/reports.ts'
import { readableDuration } from '../values/duration.ts'
import { escaped, findingRows, mark, table, withinLimit } from './markdown.ts'

export function deploySummary(report: DeployReport): string {
  const changes = report.units.flatMap((unit) =>
    unit.changes.map((change) => [
      unit.id,
      change.kind,
      escaped(change.object),
      escaped([change.path ?? '', change.why ?? ''].join(' ').trim()),
    ]),
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
      findingRows(report.findings),
      ...(changes.length === 0 ? [] : [differences(changes)]),
    ].join('\n\n'),
  )
}

/** More than a person reads, and far below the limit of GitHub. */
const MOST = 1_000

function differences(changes: readonly (readonly string[])[]): string {
  const rest = changes.length - MOST
  return [
    `<details><summary>${changes.length} differences</summary>`,
    table(['unit', 'change', 'object', 'field'], changes.slice(0, MOST)),
    ...(rest > 0 ? [`And ${rest} more: \`standby deploy --dry-run\` shows all of them.`] : []),
    '</details>',
  ].join('\n\n')
}
