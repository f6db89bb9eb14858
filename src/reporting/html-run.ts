import type { Failure } from '../errors/standby-error.ts'
import type { EvidenceBody } from '../evidence/evidence-body.ts'
import type { EvidenceRecord, RefusalBody } from '../evidence/refusal-body.ts'
import { reportIn } from '../evidence/report-in.ts'
import { signOf } from '../evidence/words.ts'
import type { StepReport } from '../execution/step-report.ts'
import { readableDuration } from '../values/duration.ts'
import { refusalRows } from './evidence-text.ts'
import { escaped, factsTable, page, timeline } from './html-report.ts'
import { moveFacts } from './move-facts.ts'
import { continuation, endText, goodOf } from './move-words.ts'

/** A record and the name of its file. */
export interface NamedRecord {
  readonly file: string
  readonly body: EvidenceRecord
}

/**
 * All records of a run as one self-contained page, the newest first. The verdict is that of its newest process; a
 * refusal does not change it.
 */
export function htmlRun(records: readonly NamedRecord[]): string {
  const newest = records.findLast(({ body }) => body.kind === 'move') ?? records.at(-1)
  if (newest === undefined) throw new Error('a run without a record has no page')
  const { body } = newest
  return page({
    title: `${body.stack}: run ${body.run}`,
    verdict: body.verdict,
    good: body.kind === 'move' && goodOf(body) !== 'bad',
    subtitle: `${body.kind === 'move' ? endText(reportIn(body)) : 'refused: nothing was changed'} · ${body.recordedAt}`,
    content: [...records]
      .reverse()
      .map(({ file, body: one }) =>
        one.kind === 'move' ? recordSection(file, one, one === body) : refusalSection(file, one),
      )
      .join('\n'),
  })
}

/** Only the newest record says how to continue: later records stand above the older ones. */
function recordSection(file: string, body: EvidenceBody, newest: boolean): string {
  const report = reportIn(body, `evidence/${file}`)
  const { plan, deviations, steps, failure } = body
  const next = newest ? continuation(report) : null
  const facts: [string, string][] = [
    ['plan', `${plan.id}, made ${plan.madeAt}`],
    ['digest', plan.digest],
    ['processes', body.processes.map(({ attempt, at }) => `${attempt} since ${at}`).join('; ') || 'none began'],
  ]
  return `<section><h2>${escaped(body.operation)}: ${escaped(body.verdict)}</h2>
${failure === null ? '' : failureParagraph(failure)}
${next === null ? '' : `<p><b>${escaped(next)}</b></p>`}
${factsTable([...moveFacts(report), ...facts])}
${steps.length === 0 ? '' : `<h3>Timeline</h3>${timeline(steps)}`}
${deviations.length === 0 ? '' : `<h3>Otherwise than planned</h3>${deviationTable(deviations)}`}
${steps.length === 0 ? '' : `<h3>Steps and proofs</h3>${stepTable(steps)}`}
</section>`
}

const failureParagraph = ({ code, what, next }: Failure): string =>
  `<p class="failures">${escaped(code)}: ${escaped(what)}${next === null ? '' : `<br>next: ${escaped(next)}`}</p>`

const refusalSection = (file: string, body: RefusalBody): string =>
  `<section><h2>${escaped(body.operation)}: refused</h2>
<p class="failures">${escaped(body.failure.code)}: ${escaped(body.failure.what)}${body.failure.next === null ? '' : `<br>next: ${escaped(body.failure.next)}`}</p>
${factsTable([...refusalRows(body).slice(1), ['evidence', `evidence/${file}`]])}
</section>`

const deviationTable = (deviations: EvidenceBody['deviations']): string =>
  `<div class="scroll"><table><thead><tr><th>what</th><th>predicted</th><th>was</th></tr></thead><tbody>${deviations
    .map(
      ({ what, predicted, was }) =>
        `<tr><td>${escaped(what)}</td><td>${escaped(predicted)}</td><td>${escaped(was)}</td></tr>`,
    )
    .join('')}</tbody></table></div>`

const proofDetails = (title: string, proof: object | null): string =>
  proof === null
    ? ''
    : `<details><summary>${title}</summary><pre>${escaped(JSON.stringify(proof, null, 2))}</pre></details>`

function stepTable(steps: readonly StepReport[]): string {
  const rows = steps.map((step) => {
    const took =
      step.begunAt === null || step.endedAt === null
        ? ''
        : readableDuration(Date.parse(step.endedAt) - Date.parse(step.begunAt))
    const proof = `${proofDetails('proof', step.proof)}${proofDetails('taken back', step.takenBack ?? null)}`
    return `<tr class="${escaped(step.outcome)}"><td>${signOf(step.outcome)}</td><td>${escaped(step.phase)}</td><td>${escaped(step.id)}<br><span class="small">${escaped(step.title)}</span>${proof}</td><td>${took}</td></tr>`
  })
  return `<div class="scroll"><table><thead><tr><th></th><th>phase</th><th>step</th><th>took</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
