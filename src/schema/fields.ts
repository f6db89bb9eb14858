import type { JsonObject } from '../values/json.ts'

declare const holds: unique symbol
/**
 * JSON Schema of a `T`. The type is a claim of the schema's author (`text` claims a string); a plain object claims
 * nothing and fits everywhere. Two claims that differ do not compile.
 */
export type Schema<T> = JsonObject & { readonly [holds]?: T }

type Name<T> = keyof T & string
type RequiredName<T> = { [N in Name<T>]-?: Record<never, never> extends Pick<T, N> ? never : N }[Name<T>]
type Lacking<T, Listed> = Exclude<RequiredName<T>, Listed>

/**
 * A mapping of the stack file, checked against the interface that code reads it by: `fieldsOf<Spec>()({ … })` returns
 * the schema as it is. It does not compile when a field stands on one side only, when `required` names an optional
 * field or lacks a required one, or when a part of the schema claims another type than the field has.
 */
export const fieldsOf =
  <T>() =>
  <
    Properties extends { readonly [N in Name<T>]-?: Schema<NonNullable<T[N]>> },
    const Required extends readonly RequiredName<T>[] = readonly [],
  >(
    schema: JsonObject & {
      readonly required?: Required
      readonly properties: Properties & { readonly [N in Exclude<keyof Properties, Name<T>>]: never }
    } & ([Lacking<T, Required[number]>] extends [never]
        ? unknown
        : { readonly required: { readonly lacks: Lacking<T, Required[number]> } }),
  ): Schema<T> =>
    schema
