import type { CheckReport } from '../evidence/reports.ts'
import { escaped, table, withinLimit } from './markdown.ts'

/** The result of an offline check of a stack file, for the summary of a job. */
export function checkSummary({ verdict, file, stack, warnings, problems }: CheckReport): string {
  const listed = warnings
    .map(({ path, what, line }) => `\n- ⚠️ ${line === null ? '' : `line ${line}, `}${escaped(path)}: ${escaped(what)}`)
    .join('')
  if (verdict === 'sound')
    return `## ✅ ${escaped(file)} is sound\n\nThe stack ${escaped(stack ?? '')}. Nothing was contacted.\n${listed}`
  const rows = problems.map(({ path, what, line, suggestion }) => [
    line === null ? '' : String(line),
    escaped(path),
    escaped(suggestion === null ? what : `${what}; did you mean ${suggestion}?`),
  ])
  return withinLimit(`## ❌ ${escaped(file)} is not sound\n\n${table(['line', 'key', 'problem'], rows)}`)
}
