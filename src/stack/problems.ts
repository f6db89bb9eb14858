import { StandbyError } from '../errors/standby-error.ts'

/** One problem of a stack file, with its place. */
export interface Problem {
  /** `components.database.sites.dc-a.name`; empty for the whole file. */
  readonly path: string
  readonly what: string
  /** 1-based; null where no place in the text can be named. */
  readonly line: number | null
  readonly column: number | null
  /** The nearest right key or value. */
  readonly suggestion: string | null
  /** The text at this place may be a credential: the report does not repeat it. */
  readonly concealed?: boolean
  /** A warning, which does not refuse the file. */
  readonly severity?: 'warning'
  /** The problem is about a key: the report does not repeat the value after it. */
  readonly atKey?: boolean
}

/** A problem with its place as a path; the loader finds line and column. */
export interface PlacedProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly suggestion?: string | null
  /** Points at the key instead of its value. */
  readonly atKey?: boolean
  readonly concealed?: boolean
  readonly severity?: 'warning'
}

/** How many problems are listed: more would hide the first ones; the rest is counted. */
const MOST_SHOWN = 50
const WIDEST = 120

/** All problems of a stack file, in the order of the file. */
export class StackInvalid extends StandbyError {
  readonly problems: readonly Problem[]

  constructor(path: string, text: string, problems: readonly Problem[]) {
    const lines = readableLines(text, problems)
    const shown = problems.slice(0, MOST_SHOWN).map((problem) => rendered(path, lines, problem))
    const more = problems.length > MOST_SHOWN ? [`… and ${problems.length - MOST_SHOWN} more`] : []
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    super({
      code: 'stack-invalid',
      mustAct: 'input',
      what: `${count} in ${path}\n\n${[...shown, ...more].join('\n\n')}`,
      where: path,
      next: 'Nothing was contacted or changed.',
    })
    this.problems = problems
  }
}

/** `components.database.replcas: unknown key; did you mean replicas?`, for an annotation or a separate line. */
export function problemText({ path, what, suggestion }: Pick<Problem, 'path' | 'what' | 'suggestion'>): string {
  return `${path === '' ? '' : `${path}: `}${what}${suggestion === null ? '' : `; did you mean ${suggestion}?`}`
}

/**
 * `standby.yaml:12:7  components.database.replcas: unknown key; did you mean replicas?` with the line and a caret.
 */
function rendered(path: string, lines: readonly string[], problem: Problem): string {
  const place = problem.line === null ? path : `${path}:${problem.line}:${problem.column ?? 1}`
  const join = problem.what.endsWith('.') ? ' Did' : '; did'
  const hint = problem.suggestion === null ? '' : `${join} you mean \`${problem.suggestion}\`?`
  const head = printable(
    `${place}  ${problem.severity === 'warning' ? 'warning: ' : ''}${problem.path === '' ? '' : `${problem.path}: `}${problem.what}${hint}`,
  )
  const line = problem.line === null ? undefined : lines[problem.line - 1]
  return line === undefined || line.trim() === '' ? head : `${head}\n${frame(line, problem)}`
}

/**
 * The lines of a text without possible secrets: keys, and the one value that a problem is about, where the schema
 * describes it.
 */
function readableLines(text: string, problems: readonly Problem[]): string[] {
  const lines = text.split(/\r\n|\n/)
  for (const [index, line] of lines.entries()) {
    const onLine = problems.filter((problem) => problem.line === index + 1)
    if (onLine.length > 0) lines[index] = readable(line, onLine.every(showsItsValue))
  }
  return lines
}

/** For unknown keys, syntax errors and credentials, hides the value after the key. */
const showsItsValue = ({ path, atKey, concealed }: Problem): boolean =>
  path !== '' && atKey !== true && concealed !== true

const KEY = /^(\s*(?:-\s+)*(?:[\w./-]+|"[\w ./-]*"|'[\w ./-]*')\s*:)(\s*)(.*)$/
const PLAIN = /^(?:"[^"\\]{0,40}"|'[^']{0,40}'|[^"'[\]{}#&*!|>%@`\s][^[\]{}#]{0,40})$/

function readable(line: string, showValue: boolean): string {
  const [, key, space = '', value = ''] = KEY.exec(line) ?? []
  if (key === undefined) return `${/^\s*(?:-\s+)*/.exec(line)?.[0] ?? ''}…`
  if (value === '') return key
  const plain = value.trimEnd()
  if (showValue && PLAIN.test(plain) && !/:\/\/[^/]*@/.test(plain)) return `${key}${space}${plain}`
  return `${key}${space}${keysOfFlow(plain)}`
}

/**
 * `{ env: …, fil: … }`: a mapping in one line, with each value replaced by spaces of its width; `…` where that is not
 * certain.
 */
function keysOfFlow(value: string): string {
  const scalar = /(:\s+)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s,{}[\]"'][^,{}[\]]*)/g
  const hidden = value.replaceAll(scalar, (_, colon: string, hiding: string) => `${colon}${'…'.padEnd(hiding.length)}`)
  return /^\{[{\s]*(?:[\w.-]+:\s+(?:…\s*)?[{}\s,]*)*$/.test(hidden) ? hidden.trimEnd() : '…'
}

/** The line with a caret below; for a long line the part around the caret. */
function frame(line: string, problem: Problem): string {
  const column = (problem.column ?? 1) - 1
  const from = column < WIDEST ? 0 : column - WIDEST / 2
  const part = `${from > 0 ? '…' : ''}${line.slice(from, from + WIDEST)}${line.length > from + WIDEST ? '…' : ''}`
  const indent = ' '.repeat(Math.min(Math.max(0, column - from), part.length) + (from > 0 ? 1 : 0))
  const gutter = String(problem.line).padStart(5)
  return `${gutter} | ${printable(part).replaceAll('\t', ' ')}\n      | ${indent}^`
}

/** Control characters could rewrite a terminal, or forge a line of a log. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g, '�')
