import { readableDuration } from '../duration.ts'
import type { EvidenceBody } from './evidence-body.ts'
import { levelsText } from './move-words.ts'
import { intervalText } from './words.ts'

/** One line per record: which run, what became of it, who asked and who allowed it. */
export function evidenceLine(file: string, { run, operation, verdict, plan, asked, approval, failure }: EvidenceBody): string {
  const { mode, from, to } = plan.intent
  const allowed = approval.approvers.map(({ name }) => name).join(', ') || approval.kind
  const why = failure === null ? '' : `  ${failure.code}`
  return `${file.slice(0, 8)}  ${run}  ${operation.padEnd(7)}  ${mode.padEnd(10)}  ${from} → ${to}  ${verdict.padEnd(7)}  asked by ${asked.by}, allowed by ${allowed}${why}`
}

/** A record as a person reads it; the record itself has all of it. */
export function evidenceText(file: string, body: EvidenceBody): string {
  const { plan, approval, asked, rto, loss, fence, deviations, facts } = body
  const took = (span: number | null): string => (span === null ? '-' : readableDuration(span))
  const lost = (one: typeof loss.predicted | null): string =>
    one === null ? 'not counted' : `${intervalText(one.bytes, 'bytes')}; ${intervalText(one.seconds, 'seconds')} of writes: ${one.why}`
  const rows: [string, string][] = [
    ['verdict', `${body.verdict}${body.failure === null ? '' : `: ${body.failure.code}: ${body.failure.what}`}`],
    ['move', `${plan.intent.mode} ${plan.intent.from} → ${plan.intent.to}, epoch ${body.epoch.before} → ${body.epoch.after}`],
    ['asked', `${asked.by}${asked.reason === null ? '' : `: ${asked.reason}`}`],
    ['approved', `${approval.kind}: ${approval.approvers.map(({ name }) => name).join(', ') || 'nobody had to'}`],
    ['plan', `${plan.id}, digest ${plan.digest}, made ${plan.madeAt}`],
    ['facts', `${facts.planned.length} planned, ${facts.started === null ? 'none' : facts.started.length} at the start`],
    ['processes', body.processes.map(({ attempt, at }) => `${attempt} since ${at}`).join('; ') || 'none began'],
    ['fence', `required ${fence.required ?? 'none'}, reached ${levelsText(fence.reached, fence.byTime)}`],
    ['loss predicted', lost(loss.predicted)],
    ['loss counted', lost(loss.counted)],
    ['time', `decide ${took(rto.decide)}, approve ${took(rto.approve)}, execute ${took(rto.execute)}, green ${took(rto.green)}`],
    ['deviations', deviations.length === 0 ? 'none' : ''],
    ...deviations.map(({ what, predicted, was }): [string, string] => ['', `${what}: predicted ${predicted}, was ${was}`]),
    ['steps', body.steps.length === 0 ? 'none' : ''],
    ...body.steps.map((step): [string, string] => [
      '',
      `${step.outcome.padEnd(11)}  ${step.phase.padEnd(11)}  ${step.id}${step.begunAt === null || step.endedAt === null ? '' : `  ${step.begunAt} + ${readableDuration(Date.parse(step.endedAt) - Date.parse(step.begunAt))}`}`,
    ]),
  ]
  return [`${file}  run ${body.run} of ${body.stack}`, ...rows.map(([name, text]) => `${name.padEnd(15)} ${text}`)].join('\n')
}
