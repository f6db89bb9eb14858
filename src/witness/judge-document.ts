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

/** Judges a value by one schema. The path of a defect begins at that value: empty for the value itself. */
type Judge = (value: unknown) => Defect | null

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
  const judge = typeof schema === 'string' ? judgeOfReference(schema, '') : judgeOf(schema, '')
  return beyondJson(value) ?? within('$', judge(value))
}

/** A defect of a part of a value, as one of the value. */
const within = (part: string, defect: Defect | null): Defect | null =>
  defect === null ? null : { path: `${part}${defect.path}`, what: defect.what }

/**
 * Each schema is read once: a run judges the same kinds of documents thousands of times. The objects of the published
 * files and of drivers never change.
 */
const judges = new WeakMap<JsonObject, Judge>()
const ofReferences = new Map<string, Judge>()

/** `file`: the one that local references of the schema are of. */
function judgeOf(schema: JsonObject, file: string): Judge {
  const known = judges.get(schema)
  if (known !== undefined) return known
  const rules = Object.entries(schema).flatMap(([keyword, part]): Judge[] => {
    const rule = RULES[keyword]
    if (rule === undefined) throw new Error(`src/witness/judge-document.ts does not know the schema keyword ${keyword}`)
    return rule === NOTHING ? [] : [rule(part, { schema, file })]
  })
  const judge: Judge = (value) => first(rules, (rule) => rule(value))
  judges.set(schema, judge)
  return judge
}

function judgeOfReference(reference: string, from: string): Judge {
  const [name, pointer = ''] = reference.split('#')
  const file = name === undefined || name === '' ? from : name
  const known = ofReferences.get(`${file}#${pointer}`)
  if (known !== undefined) return known
  const parts = pointer.split('/').filter((part) => part !== '')
  const found = parts.reduce<Json | undefined>((at, part) => (isObject(at) ? at[part] : undefined), FILES[file])
  if (!isObject(found)) throw new Error(`no schema ${reference}`)
  const judge = judgeOf(found, file)
  ofReferences.set(`${file}#${pointer}`, judge)
  return judge
}

/** Makes a judge of the value of a keyword. `at`: the schema that the keyword is of, and the file of that schema. */
type Rule = (part: Json, at: { readonly schema: JsonObject; readonly file: string }) => Judge
const NOTHING: Rule = () => () => null

const RULES: Readonly<Record<string, Rule>> = {
  // It is read when a value is there: a schema may refer to itself.
  $ref:
    (part, { file }) =>
    (value) =>
      judgeOfReference(String(part), file)(value),
  type: (part) => {
    const types = [part].flat().map(String)
    const tests = types.flatMap((type) => TYPES[type] ?? [])
    return (value) =>
      tests.some((test) => test(value)) ? null : itself(`must be ${types.map(nameOfType).join(' or ')}`, value)
  },
  const: (part) => (value) => (value === part ? null : itself(`must be ${JSON.stringify(part)}`, value)),
  enum: (part) => (value) =>
    list(part).some((one) => one === value)
      ? null
      : itself(
          `must be one of ${list(part)
            .map((one) => JSON.stringify(one))
            .join(', ')}`,
          value,
        ),
  minLength: (part) => (value) =>
    typeof value === 'string' && value.length < Number(part) ? { path: '', what: 'is empty' } : null,
  maxLength: (part) => (value) =>
    typeof value === 'string' && value.length > Number(part)
      ? { path: '', what: `has ${value.length} characters, more than ${part}` }
      : null,
  pattern: (part) => {
    const pattern = new RegExp(String(part), 'u')
    return (value) =>
      typeof value === 'string' && !pattern.test(value)
        ? { path: '', what: `${shown(value)} does not have the right form` }
        : null
  },
  format: () => (value) =>
    typeof value === 'string' && !(INSTANT.test(value) && Number.isFinite(Date.parse(value)))
      ? itself('must be an instant of ISO 8601', value)
      : null,
  minimum: (part) => (value) =>
    typeof value === 'number' && value < Number(part) ? { path: '', what: `is ${value}, less than ${part}` } : null,
  maximum: (part) => (value) =>
    typeof value === 'number' && value > Number(part) ? { path: '', what: `is ${value}, more than ${part}` } : null,
  required: (part) => {
    const keys = list(part).map(String)
    return (value) => {
      const missing = isObject(value) ? keys.find((key) => !Object.hasOwn(value, key)) : undefined
      return missing === undefined ? null : { path: `.${missing}`, what: 'is missing' }
    }
  },
  properties: (part, { file }) => {
    const named = Object.entries(isObject(part) ? part : {}).flatMap(([key, schema]): [string, Judge][] =>
      isObject(schema) ? [[key, judgeOf(schema, file)]] : [],
    )
    return (value) =>
      isObject(value)
        ? first(named, ([key, judge]) => (Object.hasOwn(value, key) ? within(`.${key}`, judge(value[key])) : null))
        : null
  },
  additionalProperties: (part, { schema, file }) => {
    if (!isObject(part)) return () => null
    const named = isObject(schema.properties) ? schema.properties : {}
    const judge = judgeOf(part, file)
    return (value) =>
      isObject(value)
        ? first(Object.keys(value), (key) =>
            Object.hasOwn(named, key) ? null : within(`[${JSON.stringify(key)}]`, judge(value[key])),
          )
        : null
  },
  items: (part, { file }) => {
    if (!isObject(part)) return () => null
    const judge = judgeOf(part, file)
    return (value) => (Array.isArray(value) ? first(value, (one, index) => within(`[${index}]`, judge(one))) : null)
  },
  prefixItems: (part, { file }) => {
    const placed = list(part).map((schema) => (isObject(schema) ? judgeOf(schema, file) : null))
    return (value) =>
      Array.isArray(value)
        ? first(placed.slice(0, value.length), (judge, index) => within(`[${index}]`, judge?.(value[index]) ?? null))
        : null
  },
  minItems: (part) => (value) =>
    Array.isArray(value) && value.length < Number(part)
      ? { path: '', what: `has ${value.length} of at least ${part} items` }
      : null,
  maxItems: (part) => (value) =>
    Array.isArray(value) && value.length > Number(part)
      ? { path: '', what: `has ${value.length} items, more than ${part}` }
      : null,
  anyOf: (part, { file }) => ofForms(part, file, (fitting) => fitting > 0),
  oneOf: (part, { file }) => ofForms(part, file, (fitting) => fitting === 1),
  $schema: NOTHING,
  $id: NOTHING,
  $defs: NOTHING,
  title: NOTHING,
  description: NOTHING,
}

const itself = (demand: string, value: unknown): Defect => ({ path: '', what: `${demand}, is ${shown(value)}` })

/** Of several forms, reports the defect of the intended one: the one whose defect lies deepest. */
function ofForms(part: Json, file: string, enough: (fitting: number) => boolean): Judge {
  const forms = list(part).flatMap((schema) => (isObject(schema) ? judgeOf(schema, file) : []))
  return (value) => {
    const found = forms.flatMap((judge) => judge(value) ?? [])
    const fitting = forms.length - found.length
    if (enough(fitting)) return null
    const meant = found.toSorted(
      (one, other) => depthOf(other) - depthOf(one) || Number(isOfKind(one)) - Number(isOfKind(other)),
    )[0]
    return meant === undefined || fitting > 1 ? { path: '', what: 'is of several forms at once' } : meant
  }
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

function first<T>(parts: readonly T[], judgeOne: (part: T, index: number) => Defect | null): Defect | null {
  for (let index = 0; index < parts.length; index++) {
    const defect = judgeOne(parts[index] as T, index)
    if (defect !== null) return defect
  }
  return null
}

const list = (part: Json): readonly Json[] => (Array.isArray(part) ? (part as readonly Json[]) : [])

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
function beyondJson(value: unknown, depth = 0): Defect | null {
  if (depth > DEEPEST) return { path: '$', what: `is nested more than ${DEEPEST} levels deep` }
  if (typeof value === 'number')
    return Number.isFinite(value) ? null : { path: '$', what: `holds the number ${String(value)}, which is none` }
  if (typeof value !== 'object' || value === null) return null
  return first(Object.values(value), (one) => beyondJson(one, depth + 1))
}
