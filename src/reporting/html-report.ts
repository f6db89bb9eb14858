import { leavesLostSite } from '../domain/plan.ts'
import type { MoveReport, RestoreTestOutcome } from '../evidence/reports.ts'
import { inOrder } from '../evidence/step-times.ts'
import { signOf } from '../evidence/words.ts'
import type { StepReport } from '../execution/step-report.ts'
import { readableDuration } from '../values/duration.ts'
import { harmlessText } from '../values/harmless-text.ts'
import { moveFacts } from './move-facts.ts'
import { endText } from './move-words.ts'

/** What a report shows: the verdict, facts, the restore test, and each move as a picture. */
export interface DrillReportInput {
  readonly title: string
  readonly verdict: 'passed' | 'failed'
  readonly failures: readonly string[]
  /** The options that make this drill different from the usual one: `--archive in-tree`; empty for the usual one. */
  readonly variant: string
  readonly begunAt: string
  readonly endedAt: string
  readonly facts: readonly { readonly name: string; readonly value: string }[]
  /** Null where the drill has none. */
  readonly restoreTest: RestoreTestOutcome | null
  readonly moves: readonly {
    readonly report: MoveReport
    readonly clientGapMs: number | null
    readonly predictedGapMs: number
  }[]
}

export const escaped = (text: string): string =>
  harmlessText(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** One self-contained page: no script, no external resource, light and dark. */
export function page(of: {
  readonly title: string
  readonly verdict: string
  readonly good: boolean
  readonly subtitle: string
  readonly content: string
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(of.title)}: ${escaped(of.verdict)}</title><style>${STYLE}</style></head>
<body><main>
<header class="${of.good ? 'passed' : 'failed'}"><p class="verdict">${escaped(of.verdict)}</p><div><h1>${escaped(of.title)}</h1><p>${escaped(of.subtitle)}</p></div></header>
${of.content}
</main></body></html>
`
}

/** The report of a drill. */
export function htmlReport(input: DrillReportInput): string {
  const failures =
    input.failures.length === 0
      ? ''
      : `<ul class="failures">${input.failures.map((failure) => `<li>${escaped(failure)}</li>`).join('')}</ul>`
  return page({
    title: input.title,
    verdict: input.verdict,
    good: input.verdict === 'passed',
    subtitle: [input.begunAt, readableDuration(Date.parse(input.endedAt) - Date.parse(input.begunAt)), input.variant]
      .filter((part) => part !== '')
      .join(' · '),
    content: `${failures}
<section class="facts">${input.facts.map((fact) => `<div><b>${escaped(fact.value)}</b><span>${escaped(fact.name)}</span></div>`).join('')}</section>
${input.moves.map(moveSection).join('\n')}
${input.restoreTest === null ? '' : restoreSection(input.restoreTest)}`,
  })
}

function moveSection(move: DrillReportInput['moves'][number]): string {
  const { report } = move
  const noticed = usersNoticed(move).map(({ name, span, beside }) => [name, `${span} (${beside})`] as const)
  return `<section><h2>${escaped(report.mode)}: ${escaped(endText(report))}</h2>
<p>${readableDuration(report.duration)} until all was protected again; epoch ${report.epoch.before} → ${report.epoch.after}.</p>
${report.failure === null ? '' : `<p class="failures">${escaped(report.failure.code)}: ${escaped(report.failure.what)}</p>`}
${factsTable([...noticed, ...moveFacts(report)])}
${timeline(report.steps)}
<p class="small">run ${escaped(report.run)} · digest ${escaped(report.digest)}</p></section>`
}

/** A span of a move that users noticed, and the value that it is compared with or counted from. */
export interface Noticed {
  readonly name: string
  readonly span: string
  readonly beside: string
}

/** The spans of a move that users noticed, each with the predicted span. Pure. */
export function usersNoticed({
  report,
  clientGapMs,
  predictedGapMs,
}: DrillReportInput['moves'][number]): readonly Noticed[] {
  const client = clientGapMs === null ? 'not measured' : readableDuration(clientGapMs)
  const predicted = `predicted ${readableDuration(predictedGapMs)}`
  if (report.mode === 'rejoin')
    return [{ name: 'longest time between two writes', span: client, beside: 'users are served all the while' }]
  const without = { name: 'client without writes for', span: client }
  if (!leavesLostSite(report)) return [{ ...without, beside: predicted }]
  // A plan does not know when a site was lost: its prediction begins with the first door that it closes.
  const closed = report.writeGap === null ? 'not known' : readableDuration(report.writeGap)
  return [
    { ...without, beside: 'since the site was lost' },
    { name: 'doors closed for', span: closed, beside: predicted },
  ]
}

/** Names and texts, one row each. */
export const factsTable = (rows: readonly (readonly [string, string])[]): string =>
  `<div class="scroll"><table class="names">${rows.map(([name, text]) => `<tr><th>${escaped(name)}</th><td>${escaped(text)}</td></tr>`).join('')}</table></div>`

const LEFT = 250
const WIDTH = 980
const ROW = 22
/**
 * Users are refused during these phases, in a move that opens the traffic in the end. A rejoin opens none.
 */
const CLOSED = new Set(['DRAIN', 'FENCE', 'FINAL_SYNC', 'PROMOTE', 'RESTORE_AUX', 'START', 'SMOKE', 'TRAFFIC'])

/** Steps as bars over time; the band in the background is the time in which the doors were closed. */
export function timeline(steps: readonly StepReport[]): string {
  const timed = inOrder(steps).filter((step) => step.begunAt !== null && step.endedAt !== null)
  if (timed.length === 0) return '<p>No step began.</p>'
  const from = Math.min(...timed.map((step) => Date.parse(step.begunAt ?? '')))
  const to = Math.max(...timed.map((step) => Date.parse(step.endedAt ?? '')))
  const x = (time: number): number => LEFT + ((time - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 120)
  const refusing = steps.some(({ phase }) => phase === 'TRAFFIC')
  const isClosed = ({ phase }: StepReport): boolean => refusing && CLOSED.has(phase)
  const closed = timed.filter(isClosed)
  const height = timed.length * ROW + 34
  const band =
    closed.length === 0
      ? ''
      : `<rect class="band" x="${x(Math.min(...closed.map((step) => Date.parse(step.begunAt ?? '')))).toFixed(1)}" y="0" width="${(x(Math.max(...closed.map((step) => Date.parse(step.endedAt ?? '')))) - x(Math.min(...closed.map((step) => Date.parse(step.begunAt ?? ''))))).toFixed(1)}" height="${height - 24}"><title>the doors are closed</title></rect>`
  const bars = timed.map((step, index) => {
    const [begin, end] = [x(Date.parse(step.begunAt ?? '')), x(Date.parse(step.endedAt ?? ''))]
    const y = index * ROW + 4
    const span = readableDuration(Date.parse(step.endedAt ?? '') - Date.parse(step.begunAt ?? ''))
    const took = step.outcome === 'done' ? span : `${span}, ${escaped(step.outcome)}`
    return `<text class="name" x="${LEFT - 8}" y="${y + 13}">${escaped(step.id)}</text><rect class="bar ${escaped(step.outcome)} ${isClosed(step) ? 'closed' : 'open'}" x="${begin.toFixed(1)}" y="${y}" width="${Math.max(2, end - begin).toFixed(1)}" height="16" rx="3"><title>${escaped(`${step.phase} ${step.title} (${span})`)}</title></rect><text class="took" x="${(end + 5).toFixed(1)}" y="${y + 13}">${took}</text>`
  })
  const ticks = niceTicks(to - from).map(
    (tick) =>
      `<line x1="${x(from + tick).toFixed(1)}" x2="${x(from + tick).toFixed(1)}" y1="0" y2="${height - 24}"/><text class="tick" x="${x(from + tick).toFixed(1)}" y="${height - 8}">${tick / 1000} s</text>`,
  )
  return `<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="timeline of steps">${band}<g class="grid">${ticks.join('')}</g>${bars.join('')}</svg>${refusing ? LEGEND : ''}</div>`
}

const LEGEND =
  '<p class="small legend"><i class="closed"></i>while the doors are closed <i class="open"></i>before and after</p>'

/** About six ticks at round numbers of seconds. */
function niceTicks(span: number): number[] {
  const step =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600]
      .map((seconds) => seconds * 1000)
      .find((candidate) => span / candidate <= 8) ?? 1_200_000
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step)
}

function restoreSection(outcome: RestoreTestOutcome): string {
  const proven = [
    outcome.provenRpo === null ? '' : `age of the data ${readableDuration(outcome.provenRpo)}`,
    outcome.provenRto === null ? '' : `restored and judged in ${readableDuration(outcome.provenRto)}`,
  ].filter((part) => part !== '')
  return `<section><h2>Restore test: ${outcome.verdict}</h2><p>Backups of ${escaped(outcome.source)}, restored on ${escaped(outcome.sandbox.site)}${proven.length === 0 ? '' : `; ${proven.join('; ')}`}. Sandbox ${outcome.sandbox.removed ? 'removed' : 'NOT removed'}.</p>
<div class="scroll"><table><thead><tr><th></th><th>component</th><th>check</th><th>expected</th><th>found</th></tr></thead><tbody>${outcome.checks
    .map(
      (check) =>
        `<tr class="${check.outcome}"><td>${signOf(check.outcome)}</td><td>${escaped(check.component)}</td><td>${escaped(check.id)}</td><td>${escaped(check.expected)}</td><td>${escaped(check.found)}</td></tr>`,
    )
    .join('')}</tbody></table></div></section>`
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5c6b7a;--paper:#fbfaf7;--card:#fff;--line:#e4e0d8;--good:#1e7b4f;--bad:#b3261e;--closed:#c8553d;--open:#2f6f9f;--band:#c8553d1c}
@media (prefers-color-scheme:dark){:root{--ink:#e8e6e1;--soft:#9aa7b4;--paper:#14181d;--card:#1c222a;--line:#2c343e;--good:#4fbf86;--bad:#ff8a80;--closed:#e07a5f;--open:#6ea8d6;--band:#e07a5f22}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}main{max-width:1040px;margin:0 auto;padding:32px 20px 64px}
header{display:flex;gap:20px;align-items:center;border-bottom:1px solid var(--line);padding-bottom:20px}header p{margin:0;color:var(--soft)}h1{margin:0;font-size:24px}h2{font-size:18px;margin:0 0 4px}
.verdict{font-size:20px;font-weight:700;color:#fff!important;padding:10px 20px;border-radius:10px;text-transform:uppercase;letter-spacing:.06em}.passed .verdict{background:#1e7b4f}.failed .verdict{background:#b3261e}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px;margin:20px 0}.facts div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}.facts b{display:block;font-size:17px}.facts span,.small{color:var(--soft);font-size:13px}
section{margin:28px 0}.failures{color:var(--bad)}.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px}svg{min-width:760px;width:100%;height:auto;display:block}
.name{font:12px ui-monospace,monospace;text-anchor:end;fill:var(--ink)}.took,.tick{font:11px system-ui;fill:var(--soft)}.tick{text-anchor:middle}.grid line{stroke:var(--line)}.band{fill:var(--band)}.bar.closed{fill:var(--closed)}.bar.open{fill:var(--open)}.bar.failed,.bar.given-up,.bar.unknown{fill:var(--bad)}.legend{margin:8px 0 0}.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin:0 6px 0 12px}.legend .closed{background:var(--closed)}.legend .open{background:var(--open)}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}tr.pass td:first-child{color:var(--good)}tr.fail td,tr.inconclusive td,tr.failed td{color:var(--bad)}.names th{width:180px;color:var(--soft);font-weight:400}td{overflow-wrap:anywhere}tbody tr:last-child>*{border-bottom:0}.scroll+.scroll{margin-top:12px}h3{font-size:15px;margin:20px 0 6px}details pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;margin:4px 0}summary{color:var(--soft);cursor:pointer}
`
