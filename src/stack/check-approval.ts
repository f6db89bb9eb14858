import { isObject, type Json, type JsonObject } from '../values/json.ts'
import type { PlacedProblem } from './problems.ts'

/**
 * The rules for `approval` that a schema cannot express: demands that can never be met, and people who would count
 * twice. Accepts a value of any shape.
 */
export function approvalProblems(declared: Json | undefined): PlacedProblem[] {
  if (!isObject(declared)) return []
  return [
    ...(isObject(declared.github) ? gitHubProblems(declared.github) : []),
    ...(isObject(declared.signatures) ? signatureProblems(declared.signatures) : []),
  ]
}

function gitHubProblems(github: JsonObject): PlacedProblem[] {
  const path = ['approval', 'github']
  const named = Array.isArray(github.environments)
    ? (github.environments as readonly Json[])
    : [github.environment ?? null]
  const environments = named.map((name) => String(name).toLowerCase())
  const twice = duplicates(environments).map(
    (index): PlacedProblem => ({
      path: [...path, 'environments', index],
      what: 'is named already: GitHub ignores the case of environments',
    }),
  )
  const { approvers } = github
  if (typeof approvers !== 'number' || approvers <= environments.length) return twice
  const those = environments.length === 1 ? 'one environment' : `${environments.length} environments`
  const what = `${approvers} people cannot approve ${those}: GitHub asks for one approval in each. Name an environment for each of them`
  return [...twice, { path: [...path, 'approvers'], what }]
}

function signatureProblems(signatures: JsonObject): PlacedProblem[] {
  const path = ['approval', 'signatures']
  const keys = Array.isArray(signatures.keys)
    ? (signatures.keys as readonly Json[]).map((one) => (isObject(one) ? one : {}))
    : []
  const texts = (name: string, normal: (text: string) => string): string[] =>
    keys.map((one, index) => (typeof one[name] === 'string' ? normal(String(one[name])) : `(none) ${index}`))
  const problems = [
    ...duplicates(texts('key', (key) => key.split(' ')[1] ?? key)).map(
      (index): PlacedProblem => ({
        path: [...path, 'keys', index, 'key'],
        what: 'is listed twice: one key counts once',
      }),
    ),
    ...duplicates(texts('name', (name) => name.toLowerCase())).map(
      (index): PlacedProblem => ({
        path: [...path, 'keys', index, 'name'],
        what: 'is the name of another key already',
      }),
    ),
  ]
  const { required } = signatures
  return typeof required === 'number' && keys.length > 0 && required > keys.length
    ? [...problems, { path: [...path, 'required'], what: `${required} of ${keys.length} keys can never sign` }]
    : problems
}

/** The indices of entries that appear earlier in the list. */
const duplicates = (texts: readonly string[]): number[] =>
  texts.flatMap((text, index) => (texts.indexOf(text) < index ? [index] : []))
