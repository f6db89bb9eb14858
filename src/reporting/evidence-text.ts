import type { EvidenceBody } from '../evidence/evidence-body.ts'
import type { EvidenceRecord, RefusalBody } from '../evidence/refusal-body.ts'
import { intervalText } from '../evidence/words.ts'
import { readableDuration } from '../values/duration.ts'
import { oneLine, onOneLine } from '../values/harmless-text.ts'
import { approvedText, askedText, foundRows, levelsText } from './move-words.ts'

/** One line per record: the run, how it ended, who asked and who approved. */
export function evidenceLine(file: string, record: EvidenceRecord): string {
  const { run, operation, verdict, plan, asked, failure } = record
  const move = plan === null ? 'no plan' : `${plan.intent.mode.padEnd(10)}  ${plan.intent.from} → ${plan.intent.to}`
  const allowed = record.kind === 'refusal' ? 'not approved' : `approved by ${approversText(record)}`
  const why = failure === null ? '' : `  ${failure.code}`
  return onOneLine(
    `${file.slice(0, 8)}  ${run}  ${operation.padEnd(7)}  ${move}  ${verdict.padEnd(7)}  asked by ${oneLine(asked.by)}, ${allowed}${why}`,
  )
}

const approversText = ({ approval }: EvidenceBody): string =>
  approval.approvers.map(({ name }) => oneLine(name)).join(', ') || approval.kind

/** A record in a form for people; the record itself has all details. */
export function evidenceText(file: string, record: EvidenceRecord): string {
  const rows = record.kind === 'refusal' ? refusalRows(record) : rowsOf(record)
  return [
    `${file}  run ${record.run} of ${record.stack}`,
    ...rows.map(([name, text]) => onOneLine(`${name.padEnd(15)} ${text}`)),
  ].join('\n')
}

/** What is known of a request that was refused before there was an approval: name and text. */
export function refusalRows({ failure, asked, digest, plan, recordedAt }: RefusalBody): [string, string][] {
  return [
    ['verdict', `refused: ${failure.code}: ${oneLine(failure.what)}`],
    ['move', plan === null ? 'no plan' : `${plan.intent.mode} ${plan.intent.from} → ${plan.intent.to}`],
    ['asked', `${askedText(asked)} (as they said), ${asked.from ?? 'from a terminal'}`],
    ['approved', 'no'],
    ['plan', plan === null ? 'none that can be read' : `${plan.id}, digest ${plan.digest}, made ${plan.madeAt}`],
    ['digest given', digest ?? 'none'],
    ['recorded', recordedAt],
  ]
}

function rowsOf(body: EvidenceBody): [string, string][] {
  const { plan, approval, asked, rto, loss, fence, deviations, facts } = body
  const took = (span: number | null): string => (span === null ? '-' : readableDuration(span))
  const lost = (one: typeof loss.predicted | null): string =>
    one === null
      ? 'not counted'
      : `${intervalText(one.bytes, 'bytes')}; ${intervalText(one.seconds, 'seconds')} of writes: ${one.why}`
  return [
    [
      'verdict',
      `${body.verdict}${body.failure === null ? '' : `: ${body.failure.code}: ${oneLine(body.failure.what)}`}`,
    ],
    [
      'move',
      `${plan.intent.mode} ${plan.intent.from} → ${plan.intent.to}, epoch ${body.epoch.before} → ${body.epoch.after}`,
    ],
    ['asked', askedText(asked)],
    ['approved', approvedText(approval)],
    ['plan', `${plan.id}, digest ${plan.digest}, made ${plan.madeAt}`],
    [
      'facts',
      `${facts.planned.length} planned, ${facts.started === null ? 'none' : facts.started.length} at the start`,
    ],
    ['processes', body.processes.map(({ attempt, at }) => `${attempt} since ${at}`).join('; ') || 'none began'],
    ['fence', `required ${fence.required ?? 'none'}, reached ${levelsText(fence.reached, fence.byTime)}`],
    ['loss predicted', lost(loss.predicted)],
    ['loss counted', lost(loss.counted)],
    ...(loss.found === undefined ? [] : foundRows(loss.found, plan.intent.to)),
    [
      'time',
      `decide ${took(rto.decide)}, approve ${took(rto.approve)}, execute ${took(rto.execute)}, green ${took(rto.green)}`,
    ],
    ['deviations', deviations.length === 0 ? 'none' : ''],
    ...deviations.map(({ what, predicted, was }): [string, string] => [
      '',
      `${oneLine(what)}: predicted ${oneLine(predicted)}, was ${oneLine(was)}`,
    ]),
    ['steps', body.steps.length === 0 ? 'none' : ''],
    ...body.steps.map((step): [string, string] => [
      '',
      `${step.outcome.padEnd(11)}  ${step.phase.padEnd(11)}  ${step.id}${step.begunAt === null || step.endedAt === null ? '' : `  ${step.begunAt} + ${readableDuration(Date.parse(step.endedAt) - Date.parse(step.begunAt))}`}`,
    ]),
  ]
}
