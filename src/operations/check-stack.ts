import type { CheckReport } from '../evidence/reports.ts'
import { type Kinds, loadStack } from '../stack/load-stack.ts'
import { StackInvalid } from '../stack/problems.ts'

/**
 * Judges a stack file and the files that it names, offline and without a credential: for pull requests, and before a
 * deploy. Problems of the file are values; throws `stack-not-found` when the file does not exist.
 */
export async function checkStack(path: string, kinds: Kinds): Promise<CheckReport> {
  try {
    const stack = await loadStack(path, kinds)
    return {
      schemaVersion: 1,
      verdict: 'sound',
      file: path,
      stack: stack.name,
      sites: stack.sites.map(({ name }) => name),
      components: stack.components.map(({ name, driver }) => ({ name, driver })),
      warnings: (stack.warnings ?? []).map(({ path: at, what, line }) => ({ path: at, what, line })),
      problems: [],
    }
  } catch (error) {
    if (!(error instanceof StackInvalid)) throw error
    const problems = error.problems.map(({ path: at, what, line, column, suggestion }) => ({
      path: at,
      what,
      line,
      column,
      suggestion,
    }))
    return {
      schemaVersion: 1,
      verdict: 'invalid',
      file: path,
      stack: null,
      sites: [],
      components: [],
      warnings: [],
      problems,
    }
  }
}
