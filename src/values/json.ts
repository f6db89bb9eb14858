/** JSON as a type: what plans, journals, evidence and outputs are made of. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** Whether a value that was read as JSON, or as YAML, is a mapping of names to values: no list, and not null. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The one text for a value, whatever the order of its keys: what digests are taken of (RFC 8785 for the values that we
 * use).
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (isObject(value)) {
    let fields = ''
    // Without a comparison of its own, sort() compares by code units.
    for (const key of Object.keys(value).sort()) {
      const field = value[key]
      if (field !== undefined) fields += `${fields === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(field)}`
    }
    return `{${fields}}`
  }
  return JSON.stringify(value)
}
