import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { parse } from 'yaml'
import { judge } from '../../src/stack/check-schema.ts'
import { componentSchema, frameSchema, publishedSchema, SCHEMA_ID, witnessSchema } from '../../src/stack/schema.ts'
import { isObject, type Json, type JsonObject } from '../../src/values/json.ts'
import { generateStack } from '../support/generate-stack.ts'
import { kinds, publishedStacks, textOfStack } from '../support/published-stacks.ts'
import { rounds } from '../support/rounds.ts'

const { drivers, witnesses } = kinds
const published = publishedSchema(drivers, witnesses)

/** A validator of all of JSON Schema that shares nothing with ours. */
const ajv = new Ajv2020({
  allErrors: false,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  allowUnionTypes: true,
})
ajv.addKeyword('markdownEnumDescriptions')
const accepts = ajv.compile(published)

/** The verdict of the loader's schema check on a whole stack file: the frame, and each part by its driver. */
function accepted(value: Json): boolean {
  if (judge(frameSchema, value, []).problems.length > 0) return false
  const { components, witness } = value as { components: JsonObject; witness: JsonObject }
  const parts: [JsonObject | undefined, Json][] = [
    ...Object.values(components).map((part): [JsonObject | undefined, Json] => [schemaOf(part), part]),
    [schemaOfWitness(witness), witness],
  ]
  return parts.every(([schema, part]) => schema !== undefined && judge(schema, part, []).problems.length === 0)
}
const kindOf = (part: Json | undefined): string =>
  isObject(part) && typeof part.driver === 'string' ? part.driver : ''
const schemaOf = (part: Json): JsonObject | undefined => {
  const kind = kindOf(part)
  const driver = Object.hasOwn(drivers, kind) ? drivers[kind] : undefined
  return driver === undefined ? undefined : componentSchema(driver)
}
const schemaOfWitness = (part: Json): JsonObject | undefined => {
  const kind = kindOf(part)
  const own = Object.hasOwn(witnesses, kind) ? witnesses[kind]?.schema : undefined
  return own === undefined ? undefined : witnessSchema(kind, own)
}

type Path = readonly (string | number)[]
function placesIn(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, part]) =>
      placesIn(part as Json, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ]
}
/** A copy with the value at a place replaced, removed (undefined) or renamed. */
function changed(value: Json, [first, ...rest]: Path, change: (value: Json) => Json | undefined): Json | undefined {
  if (first === undefined) return change(value)
  if (Array.isArray(value))
    return value.flatMap((part: Json, index) =>
      index === first ? (changed(part, rest, change) ?? []) : [part],
    ) as Json
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => {
      const now = key === String(first) ? changed(part, rest, change) : part
      return now === undefined ? [] : [[key, now]]
    }),
  )
}

describe('the published schema', () => {
  test('is what the drivers say', () => {
    const committed = readFileSync(resolve(import.meta.dirname, '../../schema/stack.schema.json'), 'utf8')
    expect(JSON.parse(committed)).toEqual(published)
  })

  test('is a schema of the draft that it names, under a lasting name', () => {
    expect(ajv.validateSchema(published)).toBe(true)
    expect(published.$id).toBe(SCHEMA_ID)
  })

  test('describes every key, for a person who points at it in an editor', () => {
    const silent: string[] = []
    const visit = (schema: Json | undefined, path: string): void => {
      if (!isObject(schema)) return
      for (const [key, part] of Object.entries(isObject(schema.properties) ? schema.properties : {})) {
        if (isObject(part) && part.description === undefined && !(key === 'driver' && part.const !== undefined))
          silent.push(`${path}.${key}`)
        visit(part, `${path}.${key}`)
      }
      for (const part of [schema.additionalProperties, schema.items, schema.then]) visit(part, path)
      for (const part of [...((schema.allOf ?? []) as Json[]), ...((schema.oneOf ?? []) as Json[])]) visit(part, path)
    }
    visit(published, '')
    // To be shortened, never to grow.
    const known = ['manifest.tables', 'streaming.nodePort', 'mustMatch.keys', 'workload.kind', 'canary.kind']
    expect(silent.filter((path) => !known.some((end) => path.endsWith(`.${end}`)))).toEqual([])
  })

  test.each(publishedStacks)('accepts stacks/%s as an editor would', (name) => {
    const valid = accepts(parse(textOfStack(name)))
    expect(accepts.errors ?? []).toEqual([])
    expect(valid).toBe(true)
  })

  test('accepts a generated stack', () => {
    expect(accepts(parse(generateStack({ components: 50, sites: 3 })))).toBe(true)
  })

  test('names its place in the header of each published stack', () => {
    for (const name of publishedStacks)
      expect(textOfStack(name)).toMatch(/^# yaml-language-server: \$schema=..\/..\/schema\/stack.schema.json\n/)
  })
})

describe('the loader and an independent validator', () => {
  test('know every keyword and every pattern that the schemas use', () => {
    const schemas = [
      frameSchema,
      ...Object.values(drivers).map(componentSchema),
      ...Object.entries(witnesses).map(([kind, { schema }]) => witnessSchema(kind, schema)),
    ]
    let judged = 0
    const visit = (schema: Json | undefined): void => {
      if (!isObject(schema)) return
      judged++
      // Throws at a keyword that it does not know; the verdict does not matter here.
      expect(() => judge(schema, null, [])).not.toThrow()
      if (typeof schema.pattern === 'string') expect(() => new RegExp(String(schema.pattern), 'u')).not.toThrow()
      for (const part of Object.values(isObject(schema.properties) ? schema.properties : {})) visit(part)
      for (const part of [schema.additionalProperties, schema.items, ...((schema.oneOf ?? []) as Json[])]) visit(part)
    }
    for (const schema of schemas) visit(schema)
    expect(judged).toBeGreaterThan(100)
    expect(() => judge({ contains: {} }, null, [])).toThrow('does not know the schema keyword contains')
    expect(() => judge({ oneOf: [] }, null, [])).toThrow('add type: object')
  })

  const stacks = publishedStacks.map((name) => parse(textOfStack(name)) as Json)
  const odd = fc.oneof(
    fc.constantFrom<Json>(
      null,
      true,
      0,
      1,
      -1,
      65_536,
      1.5,
      '',
      'a',
      'A b',
      '90s',
      's3',
      'redis',
      '/',
      [],
      {},
      [1],
      ['a', 'a'],
      ['a'],
    ),
    fc.constantFrom<Json>(
      { env: 'A' },
      { env: '1' },
      { env: 'A', file: 'b' },
      { file: '' },
      { secret: { name: 'a' } },
      { path: 'a' },
      { oci: 'oci://a' },
    ),
  )
  const change = fc.oneof(
    odd.map((value) => (): Json | undefined => value),
    fc.constant((): Json | undefined => undefined),
    fc
      .tuple(fc.constantFrom('env', 'extra', 'driver', 'needs', 'dc-c', 'Upper', 'witness', '__proto__'), odd)
      .map(([key, value]) => (old: Json): Json | undefined => {
        if (isObject(old)) return { ...old, [key]: value }
        return Array.isArray(old) ? [...old, value] : old
      }),
  )
  const ROUNDS = rounds(1_000)
  test('agree about every change of a published stack', () => {
    let refused = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...stacks),
        fc.array(fc.tuple(fc.nat(), change), { minLength: 1, maxLength: 2 }),
        (stack, changes) => {
          const value = changes.reduce<Json>((now, [at, make]) => {
            const places = placesIn(now)
            return changed(now, places[at % places.length] ?? [], make) ?? null
          }, stack)
          const theirs = accepts(value)
          if (!theirs) refused++
          expect({ accepted: accepted(value), value }).toEqual({ accepted: theirs, value })
        },
      ),
      { numRuns: ROUNDS },
    )
    expect(refused).toBeGreaterThan(ROUNDS * 0.3)
  })
})
