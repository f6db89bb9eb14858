import { isObject, type Json } from '../../values/json.ts'

interface FieldDifference {
  readonly path: readonly string[]
  readonly from: Json | undefined
  readonly to: Json | undefined
}

/** The fields in which two objects differ, each with both values; a list is one field. Pure. */
export function fieldsThatDiffer(
  from: Json | undefined,
  to: Json | undefined,
  path: readonly string[] = [],
): FieldDifference[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return []
  if (!isObject(from) || !isObject(to)) return [{ path, from, to }]
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) =>
    fieldsThatDiffer(from[key], to[key], [...path, key]),
  )
}
