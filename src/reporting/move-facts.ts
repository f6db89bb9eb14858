import { leavesLostSite } from '../domain/plan.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { readableDuration } from '../values/duration.ts'
import { approvedText, askedText, foundRows, levelsText, lossText } from './move-words.ts'

/**
 * What a report says in addition to its steps: name and text, for summaries, terminals and pages. Unknown values are
 * left out.
 */
export function moveFacts(report: MoveReport): (readonly [string, string])[] {
  const { mode, from, to, asked, approved, fence, loss, rto, evidence, evidenceHead } = report
  const known = (name: string, text: string | null): [string, string][] => (text === null ? [] : [[name, text]])
  return [
    ['mode', `${mode}, ${from} → ${to}`],
    ...known('asked', asked === undefined ? null : askedText(asked)),
    ...known('approved', approved === undefined ? null : approvedText(approved)),
    ...known(
      'fence',
      fence?.required == null ? null : `required ${fence.required}, reached ${levelsText(fence.reached, fence.byTime)}`,
    ),
    ...known('loss predicted', loss === undefined ? null : lossText(loss.predicted)),
    // A rejoin promotes nothing: its only loss is the one that it found.
    ...known(
      'loss counted',
      loss === undefined || report.verdict === 'refused' || mode === 'rejoin' ? null : counted(report),
    ),
    ...(loss?.found === undefined ? [] : foundRows(loss.found, to)),
    ...known('writes refused for', gapText(report)),
    ...known('time', rto === undefined ? null : timesText(rto)),
    ...known('evidence', evidence === null ? 'could not be written: see the log' : evidence),
    ...known('head of the evidence', evidenceHead ?? null),
  ]
}

function counted({ loss, verdict }: MoveReport): string {
  if (loss?.counted != null) return lossText(loss.counted)
  if (verdict === 'undone') return 'nothing: nothing was promoted'
  return verdict === 'moved' ? 'cannot be counted' : 'not counted yet'
}

/** The steps of a failover do not know the time since the disaster. */
function gapText({ mode, writeGap }: MoveReport): string | null {
  if (writeGap === null) return null
  return `${readableDuration(writeGap)}${leavesLostSite({ mode }) ? ', since the first door was closed' : ''}`
}

/** `decided in 4 min, started 2.0 s after the approval, users served 9.1 s after the start, all green 0.4 s later`. */
function timesText({ decide, approve, execute, green }: NonNullable<MoveReport['rto']>): string {
  const parts = [
    decide === null ? null : `decided in ${readableDuration(decide)}`,
    approve === null ? null : `started ${readableDuration(approve)} after the approval`,
    execute === null ? null : `users served ${readableDuration(execute)} after the start`,
    green === null || green === 0 ? null : `all green ${readableDuration(green)} later`,
  ].filter((part) => part !== null)
  return parts.join(', ') || 'not known'
}
