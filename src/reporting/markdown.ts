import type { Finding } from '../domain/plan.ts'
import { signOf } from '../evidence/words.ts'
import { harmlessText } from '../values/harmless-text.ts'

/** The parts of the summaries of all actions: Markdown as GitHub shows it. */

/** GitHub drops the whole summary of a step beyond 1 MiB. */
const LARGEST = 900 * 1024

const MARKS: Readonly<Record<string, string>> = { '✓': '✅', '!': '⚠️', '✗': '❌', '?': '❔', '·': '▫️', '↶': '↩️' }
export const mark = (state: string): string => MARKS[signOf(state)] ?? '❔'

/** Foreign text inside Markdown and HTML: never markup, never a new row. */
export const escaped = (text: string): string =>
  harmlessText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[|`*_~[\]\\#@]/g, (char) => `&#${char.charCodeAt(0)};`)
    .replaceAll(/\s*\n\s*/g, ' ')

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/**
 * Whole lines, up to the limit of GitHub; closes open blocks, and says that something was left out.
 */
export function withinLimit(text: string, limit = LARGEST): string {
  if (Buffer.byteLength(text) <= limit) return text
  let bytes = Buffer.byteLength(CUT) + Buffer.byteLength(FENCE_END) + Buffer.byteLength(DETAILS_END)
  const kept: string[] = []
  for (const line of text.split('\n')) {
    bytes += Buffer.byteLength(line) + 1
    if (bytes > limit) break
    kept.push(line)
  }
  return `${kept.join('\n')}${openBlocks(kept)}${CUT}`
}

const CUT =
  '\n\n_Cut here: GitHub shows no more. All of it is in the output `result`, unless that says `tooLarge`; then the command line prints it (`--json`)._\n'
const FENCE_END = '\n```'
const DETAILS_END = '\n\n</details>'

/** Closes the blocks that these lines leave open: a code block, then `<details>`. */
function openBlocks(lines: readonly string[]): string {
  const fences = lines.filter((line) => line.startsWith('```')).length
  const count = (tag: string): number => lines.join('\n').split(tag).length - 1
  return `${fences % 2 === 0 ? '' : FENCE_END}${count('<details>') > count('</details>') ? DETAILS_END : ''}`
}

const SEVERITY_MARKS = { blocker: '❌', warning: '⚠️', info: 'ℹ️' } as const satisfies Record<Finding['severity'], string>

export const findingRows = (findings: readonly Finding[]): string =>
  findings.length === 0
    ? '_No findings._'
    : table(
        ['', 'finding', 'what', 'next'],
        findings.map((finding) => [
          SEVERITY_MARKS[finding.severity],
          finding.code,
          escaped(finding.what),
          escaped(finding.next ?? ''),
        ]),
      )
