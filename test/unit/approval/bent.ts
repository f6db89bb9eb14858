import type { Json, JsonObject } from '../../../src/values/json.ts'

export type Path = readonly (string | number)[]

/** Every place in a value that holds something: leaves, and lists as a whole. */
export function placesIn(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const below = Object.entries(value).flatMap(([key, part]) =>
    placesIn(part as Json, [...path, Array.isArray(value) ? Number(key) : key]),
  )
  return Array.isArray(value) ? [path, ...below] : below
}

/** A copy with the value at a place replaced; undefined removes it. */
export function bentAt(value: Json, [first, ...rest]: Path, change: (value: Json) => Json | undefined): Json {
  if (first === undefined) return change(value) ?? null
  const replace = (part: Json): Json | undefined => (rest.length === 0 ? change(part) : bentAt(part, rest, change))
  if (Array.isArray(value))
    return value.flatMap((part: Json, index) => (index === first ? (keep(replace(part)) as Json[]) : [part]))
  return Object.fromEntries(
    Object.entries(value as JsonObject).flatMap(([key, part]) => {
      const now = key === String(first) ? replace(part) : part
      return now === undefined ? [] : [[key, now]]
    }),
  )
}
const keep = (value: Json | undefined): Json[] => (value === undefined ? [] : [value])

/** Something else of the same kind. */
export function another(value: Json): Json {
  if (typeof value === 'string') return `${value}-bent`
  if (typeof value === 'number') return value + 1
  if (typeof value === 'boolean') return !value
  return Array.isArray(value) ? [] : 'bent'
}

/** The same value with the keys of every mapping in the opposite order. */
export function turned<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(turned) as unknown as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .reverse()
      .map(([key, part]) => [key, turned(part)]),
  ) as unknown as T
}
