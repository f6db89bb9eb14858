import { isObject, type JsonObject } from '../../values/json.ts'

/**
 * Reads the fields of an answer of Consul. What is missing, or of another type, is the empty value of its type: Consul
 * leaves nothing out that it has, and those who need a value check that it is there. Pure.
 */
export const textIn = (value: unknown): string => (typeof value === 'string' ? value : '')
export const numberIn = (value: unknown): number => (typeof value === 'number' ? value : 0)
export const objectIn = (value: unknown): JsonObject => (isObject(value) ? value : {})
export const objectsIn = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])
export const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
/** Names with texts, such as `Meta`. */
export const textMapIn = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(objectIn(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
