import { StandbyError } from '../errors.ts'

/** One thing that is wrong with a stack file, and where. */
export interface Problem {
  /** `components.database.sites.dc-a.name`; empty for the whole file. */
  readonly path: string
  readonly what: string
  /** 1-based; null where no place in the text can be named. */
  readonly line: number | null
  readonly column: number | null
  /** The nearest right key or value. */
  readonly suggestion: string | null
}

/** All that is wrong with a stack file, at once. */
export class StackInvalid extends StandbyError {
  readonly problems: readonly Problem[]

  constructor(path: string, text: string, problems: readonly Problem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    super({
      code: 'stack-invalid',
      mustAct: 'input',
      what: `${count} in ${path}\n\n${problems.map((problem) => rendered(path, text, problem)).join('\n\n')}`,
      where: path,
      next: 'Nothing was contacted or changed.',
    })
    this.problems = problems
  }
}

/** `standby.yaml:12:7  components.database.namespce: unknown key, did you mean namespace?` with the line and a caret. */
function rendered(path: string, text: string, problem: Problem): string {
  const place = problem.line === null ? path : `${path}:${problem.line}:${problem.column ?? 1}`
  const hint = problem.suggestion === null ? '' : `; did you mean ${problem.suggestion}?`
  const head = `${place}  ${problem.path === '' ? '' : `${problem.path}: `}${problem.what}${hint}`
  const line = problem.line === null ? undefined : text.split('\n')[problem.line - 1]
  if (line === undefined || line.trim() === '') return head
  const shown = line.length > 120 ? `${line.slice(0, 120)}…` : line
  const number = String(problem.line).padStart(5)
  return `${head}\n${number} | ${shown}\n      | ${' '.repeat(Math.min(Math.max(0, (problem.column ?? 1) - 1), 120))}^`
}
