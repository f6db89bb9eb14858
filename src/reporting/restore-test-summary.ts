import type { RestoreTestOutcome } from '../evidence/reports.ts'
import { readableDuration } from '../values/duration.ts'
import { escaped, mark, table, withinLimit } from './markdown.ts'

export function restoreTestSummary(outcome: RestoreTestOutcome): string {
  return withinLimit(
    [
      `## ${mark(outcome.verdict)} The backups of ${escaped(outcome.source)} are ${outcome.verdict}`,
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
