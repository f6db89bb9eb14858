import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Json, JsonObject } from '../json.ts'
import { nearest } from './nearest.ts'

/** A problem with its place as a path; the loader finds line and column. */
export interface PlacedProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly suggestion: string | null
  /** Points at the key instead of its value. */
  readonly atKey: boolean
}

const ajv = new Ajv2020({ allErrors: true, strict: false, verbose: true })
const compiled = new WeakMap<JsonObject, ValidateFunction>()

/** What a value lacks against a schema, in words for the person who wrote it. */
export function schemaProblems(schema: JsonObject, value: Json, at: readonly (string | number)[]): PlacedProblem[] {
  const validate = compiled.get(schema) ?? ajv.compile(schema)
  compiled.set(schema, validate)
  if (validate(value)) return []
  const errors = validate.errors ?? []
  // The branches of a oneOf and of propertyNames repeat what their parent says better.
  const parents = errors.filter((error) => error.keyword === 'oneOf' || error.keyword === 'anyOf').map((error) => error.schemaPath)
  const own = errors.filter(
    (error) =>
      !parents.some((parent) => error.schemaPath.startsWith(`${parent}/`)) &&
      !(error.propertyName !== undefined && error.keyword !== 'propertyNames'),
  )
  return dedupe(own.filter((error) => error.keyword !== 'if').map((error) => problemOf(error, at)))
}

function problemOf(error: ErrorObject, at: readonly (string | number)[]): PlacedProblem {
  const path = [...at, ...segments(error.instancePath)]
  const say = (what: string, more: Partial<PlacedProblem> = {}): PlacedProblem => ({ path, what, suggestion: null, atKey: false, ...more })
  const parameters = error.params as Record<string, unknown>
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = String(parameters.additionalProperty ?? parameters.unevaluatedProperty)
      const known = Object.keys((error.parentSchema?.properties ?? {}) as object)
      return say('unknown key', { path: [...path, key], suggestion: nearest(key, known), atKey: true })
    }
    case 'required':
      return say(`the key ${String(parameters.missingProperty)} is missing`, { atKey: true })
    case 'enum':
    case 'const': {
      const allowed = (error.keyword === 'enum' ? (parameters.allowedValues as unknown[]) : [parameters.allowedValue]).map(String)
      return say(`${shown(error.data)} is not ${allowed.length === 1 ? allowed[0] : `one of ${allowed.join(', ')}`}`, {
        suggestion: nearest(String(error.data), allowed),
      })
    }
    case 'oneOf':
      return say(referenceHint(error))
    case 'propertyNames':
      return say(`${String(parameters.propertyName)} is no valid name here: lower case letters, digits and "-"`, {
        path: [...path, String(parameters.propertyName)],
        atKey: true,
      })
    case 'type':
      return say(`must be ${article(String(parameters.type))}, is ${shown(error.data)}`)
    case 'pattern':
      return say(`${shown(error.data)} does not have the right form${hintOf(error)}`)
    case 'minProperties':
      return say(`needs at least ${String(parameters.limit)} entries`)
    default:
      return say(`${error.message ?? 'is not valid'}${hintOf(error)}`)
  }
}

function referenceHint(error: ErrorObject): string {
  const isText = typeof error.data === 'string'
  const description = (error.parentSchema?.description as string | undefined) ?? ''
  return isText ? `must be a reference, not a value. ${description}` : `has not one of the allowed forms. ${description}`
}

const hintOf = (error: ErrorObject): string => {
  const description = error.parentSchema?.description as string | undefined
  const examples = error.parentSchema?.examples as string[] | undefined
  return `${description === undefined ? '' : `: ${description}`}${examples === undefined ? '' : ` Examples: ${examples.join(', ')}.`}`
}

const segments = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
const article = (type: string): string =>
  type === 'object' ? 'a mapping' : type === 'array' ? 'a list' : type === 'integer' ? 'a whole number' : `a ${type}`

function dedupe(problems: readonly PlacedProblem[]): PlacedProblem[] {
  const seen = new Set<string>()
  return problems.filter((problem) => {
    const key = `${problem.path.join('/')} ${problem.what}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
