import { readableDuration } from '../duration.ts'
import type { MoveReport } from '../operations/reports.ts'
import { levelsText, lossText } from './move-words.ts'

/** What a report says beside its steps: name and text, for summaries, terminals and pages. What is not known is left out. */
export function moveFacts(report: MoveReport): (readonly [string, string])[] {
  const { mode, from, to, fence, loss, rto, writeGap, evidence, evidenceHead } = report
  const known = (name: string, text: string | null): [string, string][] => (text === null ? [] : [[name, text]])
  return [
    ['mode', `${mode}, ${from} → ${to}`],
    ...known('fence', fence?.required == null ? null : `required ${fence.required}, reached ${levelsText(fence.reached, fence.byTime)}`),
    ...known('loss predicted', loss === undefined ? null : lossText(loss.predicted)),
    ...known('loss counted', loss === undefined || report.verdict === 'refused' ? null : counted(report)),
    ...known('writes refused for', writeGap === null ? null : readableDuration(writeGap)),
    ...known('time', rto === undefined ? null : timesText(rto)),
    ...known('evidence', evidence === null ? 'could not be written: see the log' : evidence),
    ...known('head of the evidence', evidenceHead ?? null),
  ]
}

const counted = ({ loss, verdict }: MoveReport): string =>
  loss?.counted == null
    ? verdict === 'moved'
      ? 'nobody can count it'
      : 'not counted: nothing was promoted, or it is not known'
    : lossText(loss.counted)

/** `decided in 4 min, approved → started 2.0 s, users served after 9.1 s, all green 0.4 s later`. */
function timesText({ decide, approve, execute, green }: NonNullable<MoveReport['rto']>): string {
  const parts = [
    decide === null ? null : `decided in ${readableDuration(decide)}`,
    approve === null ? null : `started ${readableDuration(approve)} after the approval`,
    execute === null ? null : `users served after ${readableDuration(execute)}`,
    green === null || green === 0 ? null : `all green ${readableDuration(green)} later`,
  ].filter((part) => part !== null)
  return parts.join(', ') || 'not known'
}
