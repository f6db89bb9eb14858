import evidence from '../../schema/evidence.schema.json' with { type: 'json' }
import plan from '../../schema/plan.schema.json' with { type: 'json' }
import result from '../../schema/result.schema.json' with { type: 'json' }
import witness from '../../schema/witness.schema.json' with { type: 'json' }
import { isObject, type Json, type JsonObject } from '../values/json.ts'

/** What is wrong with a document, and where in it: `$.steps[3].deadline`. */
export interface Defect {
  readonly path: string
  readonly what: string
}

/** The published schemas: each read object is checked against the schemas that users can read. */
const FILES: Readonly<Record<string, JsonObject>> = {
  'evidence.schema.json': evidence,
  'plan.schema.json': plan,
  'result.schema.json': result,
  'witness.schema.json': witness,
}

/** Deeper than any document of this tool. A deeper value would exhaust the call stack of the code that prints it. */
const DEEPEST = 64
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/

/** A schema, and the file that its local references are of. */
interface Place {
  readonly schema: JsonObject
  readonly file: string
}

/**
 * The first defect of a value against a published schema, such as `witness.schema.json#/$defs/active`, or against a
 * driver's schema; null: it is sound.
 *
 * Keys that the schema does not name are tolerated, even where it says `additionalProperties: false`: a later version
 * of this tool may have added them, and a format that must not be misread has another `schemaVersion`. Numbers must be
 * finite, and integers exact, which JSON does not demand. A keyword other than those below throws: a contract test
 * visits every schema, and compares the verdicts with an independent validator's.
 */
export function defectOf(schema: string | JsonObject, value: unknown): Defect | null {
  return beyondJson(value) ?? judge(typeof schema === 'string' ? placeOf(schema, '') : { schema, file: '' }, value, '$')
}

function placeOf(reference: string, from: string): Place {
  const [name, pointer = ''] = reference.split('#')
  const file = name === undefined || name === '' ? from : name
  const parts = pointer.split('/').filter((part) => part !== '')
  const found = parts.reduce<Json | undefined>((at, part) => (isObject(at) ? at[part] : undefined), FILES[file])
  if (!isObject(found)) throw new Error(`no schema ${reference}`)
  return { schema: found, file }
}

type Rule = (part: Json, value: unknown, path: string, at: Place) => Defect | null
const NOTHING: Rule = () => null

const RULES: Readonly<Record<string, Rule>> = {
  $ref: (part, value, path, at) => judge(placeOf(String(part), at.file), value, path),
  type: (part, value, path) => {
    const types = [part].flat().map(String)
    return types.some((type) => TYPES[type]?.(value))
      ? null
      : { path, what: `must be ${types.map(nameOfType).join(' or ')}, is ${shown(value)}` }
  },
  const: (part, value, path) =>
    value === part ? null : { path, what: `must be ${JSON.stringify(part)}, is ${shown(value)}` },
  enum: (part, value, path) =>
    list(part).some((one) => one === value)
      ? null
      : {
          path,
          what: `must be one of ${list(part)
            .map((one) => JSON.stringify(one))
            .join(', ')}, is ${shown(value)}`,
        },
  minLength: (part, value, path) =>
    typeof value === 'string' && value.length < Number(part) ? { path, what: 'is empty' } : null,
  maxLength: (part, value, path) =>
    typeof value === 'string' && value.length > Number(part)
      ? { path, what: `has ${value.length} characters, more than ${part}` }
      : null,
  pattern: (part, value, path) =>
    typeof value === 'string' && !patternOf(String(part)).test(value)
      ? { path, what: `${shown(value)} does not have the right form` }
      : null,
  format: (_, value, path) =>
    typeof value === 'string' && !(INSTANT.test(value) && Number.isFinite(Date.parse(value)))
      ? { path, what: `must be an instant of ISO 8601, is ${shown(value)}` }
      : null,
  minimum: (part, value, path) =>
    typeof value === 'number' && value < Number(part) ? { path, what: `is ${value}, less than ${part}` } : null,
  maximum: (part, value, path) =>
    typeof value === 'number' && value > Number(part) ? { path, what: `is ${value}, more than ${part}` } : null,
  required: (part, value, path) => {
    const missing = isObject(value) ? list(part).find((key) => !Object.hasOwn(value, String(key))) : undefined
    return missing === undefined ? null : { path: `${path}.${String(missing)}`, what: 'is missing' }
  },
  properties: (part, value, path, { file }) =>
    isObject(value) && isObject(part)
      ? first(Object.entries(part), ([key, schema]) =>
          Object.hasOwn(value, key) && isObject(schema) ? judge({ schema, file }, value[key], `${path}.${key}`) : null,
        )
      : null,
  additionalProperties: (part, value, path, { schema, file }) => {
    if (!isObject(part) || !isObject(value)) return null
    const named = isObject(schema.properties) ? schema.properties : {}
    const others = Object.entries(value).filter(([key]) => !Object.hasOwn(named, key))
    return first(others, ([key, one]) => judge({ schema: part, file }, one, `${path}[${JSON.stringify(key)}]`))
  },
  items: (part, value, path, { file }) =>
    Array.isArray(value) && isObject(part)
      ? first([...value.entries()], ([index, one]) => judge({ schema: part, file }, one, `${path}[${index}]`))
      : null,
  prefixItems: (part, value, path, { file }) =>
    Array.isArray(value)
      ? first([...list(part).entries()], ([index, schema]) =>
          index < value.length && isObject(schema) ? judge({ schema, file }, value[index], `${path}[${index}]`) : null,
        )
      : null,
  minItems: (part, value, path) =>
    Array.isArray(value) && value.length < Number(part)
      ? { path, what: `has ${value.length} of at least ${part} items` }
      : null,
  maxItems: (part, value, path) =>
    Array.isArray(value) && value.length > Number(part)
      ? { path, what: `has ${value.length} items, more than ${part}` }
      : null,
  anyOf: (part, value, path, at) => ofForms(part, value, path, at, (fitting) => fitting > 0),
  oneOf: (part, value, path, at) => ofForms(part, value, path, at, (fitting) => fitting === 1),
  $schema: NOTHING,
  $id: NOTHING,
  $defs: NOTHING,
  title: NOTHING,
  description: NOTHING,
}

function judge(at: Place, value: unknown, path: string): Defect | null {
  return first(Object.entries(at.schema), ([keyword, part]) => {
    const rule = RULES[keyword]
    if (rule === undefined) throw new Error(`src/witness/judge-document.ts does not know the schema keyword ${keyword}`)
    return rule(part, value, path, at)
  })
}

/** Of several forms, reports the defect of the intended one: the one whose defect lies deepest. */
function ofForms(
  part: Json,
  value: unknown,
  path: string,
  { file }: Place,
  enough: (fitting: number) => boolean,
): Defect | null {
  const defects = list(part).map((schema) => (isObject(schema) ? judge({ schema, file }, value, path) : null))
  const fitting = defects.filter((defect) => defect === null).length
  if (enough(fitting)) return null
  const found = defects.flatMap((defect) => defect ?? [])
  const meant = found.toSorted(
    (one, other) => depthOf(other) - depthOf(one) || Number(isOfKind(one)) - Number(isOfKind(other)),
  )[0]
  return meant === undefined || fitting > 1 ? { path, what: 'is of several forms at once' } : meant
}
const depthOf = ({ path, what }: Defect): number => (what === 'is missing' ? -1 : 0) + path.split(/[.[]/).length
/** A wrong type means that another form was intended. */
const isOfKind = ({ path }: Defect): boolean => path.endsWith('.kind')

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => isObject(value),
  array: (value) => Array.isArray(value),
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  number: (value) => Number.isFinite(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}
const NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}
const nameOfType = (type: string): string => NAMES[type] ?? (type === 'null' ? 'null' : 'an object')

function first<T>(parts: readonly T[], judgeOne: (part: T) => Defect | null): Defect | null {
  for (const part of parts) {
    const defect = judgeOne(part)
    if (defect !== null) return defect
  }
  return null
}

const list = (part: Json): readonly Json[] => (Array.isArray(part) ? (part as readonly Json[]) : [])

const patterns = new Map<string, RegExp>()
function patternOf(pattern: string): RegExp {
  const compiled = patterns.get(pattern) ?? new RegExp(pattern, 'u')
  patterns.set(pattern, compiled)
  return compiled
}

/** A value of a foreign document, for a message: short, and on one line. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isObject(value)) return 'an object'
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing')
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/**
 * Rejects values that JSON text can hold and no document of this tool has: nesting without end, and 1e400, which parses
 * as Infinity and would become null in a digest.
 */
function beyondJson(value: unknown): Defect | null {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) return { path: '$', what: `is nested more than ${DEEPEST} levels deep` }
    const infinite = level.find((one) => typeof one === 'number' && !Number.isFinite(one))
    if (infinite !== undefined) return { path: '$', what: `holds the number ${String(infinite)}, which is none` }
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return null
}
