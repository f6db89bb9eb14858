import { MEANS, type Meaning } from '../schema/parts.ts'
import { isObject, type Json, type JsonObject } from '../values/json.ts'
import { nearest } from './nearest.ts'
import type { PlacedProblem } from './problems.ts'

/** The result of judging a value: its problems, and the parts with a meaning beyond their shape. */
export interface Judgement {
  readonly problems: readonly PlacedProblem[]
  readonly meanings: readonly Meant[]
}
export interface Meant {
  readonly meaning: Meaning
  readonly path: Path
  readonly value: Json
}
type Path = readonly (string | number)[]

interface Place {
  readonly path: Path
  /** Keys of the enclosing mapping: where a key with a wrong indentation may belong. */
  readonly around: readonly string[]
  /** Inside a reference to a credential: the author may have written the credential itself. */
  readonly concealed: boolean
}

/**
 * Judges a value by a schema, with messages for the author of the file.
 *
 * This is hand-written because a general validator says `must match exactly one schema in oneOf` instead of `did you
 * mean env`; because it prints values that may be credentials; and because ajv was 130 kB of the bundle and 60 ms of
 * each start. Our schemas use only the keywords below: another keyword throws, and a test compares every verdict with
 * ajv's.
 */
export function judge(schema: JsonObject, value: Json, path: Path): Judgement {
  return judgeAt(schema, value, { path, around: [], concealed: false })
}

const NOTHING: Judgement = { problems: [], meanings: [] }
const all = (judgements: readonly Judgement[]): Judgement => ({
  problems: judgements.flatMap((one) => one.problems),
  meanings: judgements.flatMap((one) => one.meanings),
})

function judgeAt(schema: JsonObject, value: Json, at: Place): Judgement {
  refuseUnknownKeywords(schema)
  if (schema.anyOf !== undefined) return judgeAlternatives(schema.anyOf as readonly JsonObject[], value, at)
  const meaning = schema[MEANS] as Meaning | undefined
  const place = meaning === 'reference' ? { ...at, concealed: true } : at
  const wrong = wrongType(schema, value, place) ?? wrongValue(schema, value, place)
  if (wrong !== null)
    return {
      problems: [problem({ ...place, concealed: place.concealed || !mayBeShown(schema, value) }, wrong)],
      meanings: [],
    }
  const meant = meaning === undefined ? [] : [{ meaning, path: place.path, value }]
  return all([
    { problems: [], meanings: meant },
    isObject(value) ? judgeMapping(schema, value, place) : judgeItems(schema, value, place),
  ])
}

const KEYWORDS = new Set(
  `type const enum pattern minLength minimum exclusiveMinimum maximum minItems uniqueItems items minProperties maxProperties propertyNames
  required properties additionalProperties oneOf anyOf title description examples default ${MEANS}`.split(/\s+/),
)
function refuseUnknownKeywords(schema: JsonObject): void {
  // Its alternatives differ in the keys of a mapping.
  if (schema.oneOf !== undefined && schema.type !== 'object')
    throw new Error('src/stack/check-schema.ts takes the schema keyword oneOf for a mapping alone: add type: object')
  for (const keyword of Object.keys(schema))
    if (!KEYWORDS.has(keyword)) throw new Error(`src/stack/check-schema.ts does not know the schema keyword ${keyword}`)
}

type Problem = Omit<PlacedProblem, 'path'>
const problem = (place: Place, found: Problem): PlacedProblem => ({
  path: place.path,
  ...found,
  ...(place.concealed ? { concealed: true } : {}),
})

const TYPES: Readonly<Record<string, { readonly name: string; readonly fits: (value: Json) => boolean }>> = {
  object: { name: 'a mapping', fits: (value) => isObject(value) },
  array: { name: 'a list', fits: (value) => Array.isArray(value) },
  string: { name: 'text', fits: (value) => typeof value === 'string' },
  integer: { name: 'a whole number', fits: (value) => Number.isInteger(value) },
  number: { name: 'a number', fits: (value) => typeof value === 'number' },
  null: { name: 'null', fits: (value) => value === null },
  boolean: { name: 'true or false', fits: (value) => typeof value === 'boolean' },
}

const typeOf = ({ type }: JsonObject) => (typeof type === 'string' ? TYPES[type] : undefined)

function wrongType(schema: JsonObject, value: Json, place: Place): Problem | null {
  const type = typeOf(schema)
  if (type === undefined || type.fits(value)) return null
  if (place.concealed && !isObject(value))
    return {
      what:
        value === null ? `is empty${hintOf(schema)}` : `must be a reference, never the value itself${hintOf(schema)}`,
    }
  if (value === null) return { what: `is empty, must be ${type.name}${hintOf(schema)}` }
  const quoted =
    schema.type === 'string' && typeof value !== 'object' ? `: write it in quotes, "${String(value)}"` : hintOf(schema)
  return { what: `must be ${type.name}, is ${shown(value, place, schema)}${quoted}` }
}

function wrongValue(schema: JsonObject, value: Json, place: Place): Problem | null {
  const allowed = schema.const === undefined ? (schema.enum as readonly Json[] | undefined) : [schema.const]
  if (allowed !== undefined && !allowed.includes(value)) {
    const names = allowed.map(String)
    return {
      what: `${shown(value, place, schema)} is not ${names.length === 1 ? names[0] : `one of ${names.join(', ')}`}${hintOf(schema)}`,
      suggestion: names.length === 1 ? null : nearest(String(value), names),
    }
  }
  if (typeof value === 'string') {
    if (value.length < Number(schema.minLength ?? 0)) return { what: `must not be empty${hintOf(schema)}` }
    if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern, 'u').test(value))
      return { what: `${shown(value, place, schema)} does not have the right form${hintOf(schema)}` }
  }
  if (typeof value === 'number') {
    const [low, high] = [schema.minimum ?? Number.NEGATIVE_INFINITY, schema.maximum ?? Number.POSITIVE_INFINITY].map(
      Number,
    )
    if (value < (low ?? 0) || value > (high ?? 0))
      return { what: `${value} is not between ${low} and ${high}${hintOf(schema)}` }
    if (value <= Number(schema.exclusiveMinimum ?? Number.NEGATIVE_INFINITY))
      return { what: `${value} is not above ${String(schema.exclusiveMinimum)}${hintOf(schema)}` }
  }
  const keys = isObject(value) ? Object.keys(value).length : 0
  const [fewest, most, size, entries] = Array.isArray(value)
    ? [schema.minItems, undefined, value.length, 'items']
    : [schema.minProperties, schema.maxProperties, keys, 'entries']
  if (size < Number(fewest ?? 0)) return { what: `has ${size} of at least ${fewest} ${entries}${hintOf(schema)}` }
  if (size > Number(most ?? Number.POSITIVE_INFINITY)) return { what: `has ${size} ${entries}, more than ${most}` }
  return null
}

function judgeItems(schema: JsonObject, value: Json, place: Place): Judgement {
  if (!Array.isArray(value)) return NOTHING
  const seen = new Set<string>()
  return all(
    value.map((item: Json, index): Judgement => {
      const at = { ...place, path: [...place.path, index], around: [] }
      const text = JSON.stringify(item)
      if (schema.uniqueItems === true && seen.has(text))
        return {
          problems: [
            problem(at, {
              what: `${shown(item, at, isObject(schema.items) ? schema.items : {})} is listed twice`,
            }),
          ],
          meanings: [],
        }
      seen.add(text)
      return isObject(schema.items) ? judgeAt(schema.items, item, at) : NOTHING
    }),
  )
}

function judgeMapping(schema: JsonObject, value: JsonObject, place: Place): Judgement {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const others = schema.additionalProperties
  const entries = Object.entries(value).map(([key, part]): Judgement => {
    const own = Object.hasOwn(properties, key) ? properties[key] : others
    const at = { ...place, path: [...place.path, key], around: Object.keys(properties) }
    const name = wrongName(schema, key)
    if (name !== null) return { problems: [problem(at, { what: name, atKey: true })], meanings: [] }
    return isObject(own) ? judgeAt(own, part, at) : NOTHING
  })
  const branches = schema.oneOf as readonly JsonObject[] | undefined
  const choice = branches === undefined ? NOTHING : judgeChoice(branches, value, place, hintOf(schema))
  return all([{ problems: wrongKeys(schema, value, place), meanings: [] }, ...entries, choice])
}

function wrongName(schema: JsonObject, key: string): string | null {
  if (!isObject(schema.propertyNames)) return null
  const pattern = schema.propertyNames.pattern
  return typeof pattern !== 'string' || new RegExp(pattern, 'u').test(key)
    ? null
    : `is not a valid name here${hintOf(schema.propertyNames)}`
}

/** Unknown keys and missing keys; a mistyped key is both, and is reported once. */
function wrongKeys(schema: JsonObject, value: JsonObject, place: Place): PlacedProblem[] {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const known = Object.keys(properties)
  const required = (schema.required ?? []) as readonly string[]
  const missing = new Set(required.filter((key) => !Object.hasOwn(value, key)))
  const absent = known.filter((key) => !Object.hasOwn(value, key) && !missing.has(key))
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(properties, key))
  const closed = schema.additionalProperties === false
  const strangers = unknown.flatMap((key): PlacedProblem[] => {
    const meant = nearest(key, closed ? [...missing, ...absent] : [...missing])
    if (meant !== null) missing.delete(meant)
    else if (!closed) return []
    const at = { ...place, path: [...place.path, key] }
    return [
      problem(at, {
        what: meant === null ? strangerText(key, known, place) : 'unknown key',
        suggestion: meant,
        atKey: true,
      }),
    ]
  })
  const gaps = [...missing].map((key) => {
    const part = properties[key]
    return problem(place, { what: `the key ${key} is missing${isObject(part) ? hintOf(part) : ''}`, atKey: true })
  })
  return [...strangers, ...gaps]
}

function strangerText(key: string, known: readonly string[], place: Place): string {
  const present = nearest(key, known)
  if (present !== null) return `unknown key, and ${present} is here already`
  if (place.around.includes(key)) return `unknown key: ${key} belongs one level up, less indented`
  return `unknown key; there may be ${known.join(', ')}`
}

/**
 * One schema of several is enough. Of a value that fits none, the one of its type says what is wrong, else the first.
 */
function judgeAlternatives(alternatives: readonly JsonObject[], value: Json, place: Place): Judgement {
  const judged = alternatives.map((one) => ({
    fitsType: typeOf(one)?.fits(value) === true,
    ...judgeAt(one, value, place),
  }))
  const meant = judged.find(({ problems }) => problems.length === 0) ?? judged.find(({ fitsType }) => fitsType)
  return meant ?? judged[0] ?? NOTHING
}

/** Of several forms, judges the intended one: the one that shares keys with the value. */
function judgeChoice(branches: readonly JsonObject[], value: JsonObject, place: Place, hint: string): Judgement {
  const judged = branches.map((branch) => ({ branch, ...judgeAt(branch, value, place) }))
  const fitting = judged.filter((one) => one.problems.length === 0)
  if (fitting.length === 1) return fitting[0] ?? NOTHING
  const requiredOf = (branch: JsonObject): readonly string[] => (branch.required ?? []) as readonly string[]
  const begun = branches.filter((branch) =>
    requiredOf(branch).some((key) => Object.hasOwn(value, key) && !sharedKey(branches, key)),
  )
  const names = branches.map((branch) => `{ ${requiredOf(branch).join(', ')} }`).join(' or ')
  if (fitting.length > 1 || begun.length > 1)
    return {
      problems: [problem(place, { what: `mixes several forms; it must be ${names}`, atKey: true })],
      meanings: [],
    }
  const meant =
    judged.find(({ branch }) => begun.includes(branch)) ??
    judged.find(({ branch }) => hasKeyLike(branches, branch, value))
  if (meant !== undefined) return { problems: meant.problems, meanings: meant.meanings }
  return { problems: [problem(place, { what: `must be ${names}${hint}`, atKey: true })], meanings: [] }
}

const sharedKey = (branches: readonly JsonObject[], key: string): boolean =>
  branches.filter((branch) => keysOf(branch).includes(key)).length > 1
const keysOf = (branch: JsonObject): string[] => (isObject(branch.properties) ? Object.keys(branch.properties) : [])
const hasKeyLike = (branches: readonly JsonObject[], branch: JsonObject, value: JsonObject): boolean => {
  const own = branches.flatMap(keysOf).filter((key) => !sharedKey(branches, key))
  return Object.keys(value).some((key) => keysOf(branch).includes(nearest(key, own) ?? ''))
}

function hintOf(schema: JsonObject): string {
  const { description } = schema
  const examples = Array.isArray(schema.examples) ? ` For example ${schema.examples.map(flow).join(', ')}.` : ''
  if (typeof description === 'string') return `: ${description}${examples}`
  return examples === '' ? '' : `.${examples}`
}

/** As a person writes it in YAML. */
function flow(value: Json): string {
  if (typeof value === 'string') return value
  if (!isObject(value)) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, part]) => `${key}: ${flow(part)}`)
  return `{ ${entries.join(', ')} }`
}

/**
 * A value of a known key, shown only if it cannot be a secret: no text where no text belongs, no mapping with unknown
 * keys, no address with a password, and no text as long as a token.
 */
function shown(value: Json, place: Place, schema: JsonObject = {}): string {
  if (place.concealed) return 'the value'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isObject(value)) return `a mapping of ${Object.keys(value).length}`
  if (typeof value !== 'string') return JSON.stringify(value)
  return mayBeShown(schema, value) ? JSON.stringify(value) : `a text of ${value.length} characters`
}

function mayBeShown(schema: JsonObject, value: Json): boolean {
  if (typeof value !== 'string') return typeof value !== 'object' || value === null
  const belongs = schema.type === 'string' || schema.enum !== undefined || schema.const !== undefined
  return belongs && value.length <= LONGEST_SHOWN && !/:\/\/[^/]*@/.test(value)
}
const LONGEST_SHOWN = 40
