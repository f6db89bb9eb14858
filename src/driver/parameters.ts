import type { Json, JsonObject } from '../values/json.ts'

/** The JSON schema of one parameter, with its type: only the constants below make one. */
export interface ParameterSchema<Value> {
  readonly schema: JsonObject
  readonly of?: Value
}
interface Optional<Value> extends ParameterSchema<Value> {
  readonly optional: true
}

export const TEXT: ParameterSchema<string> = { schema: { type: 'string' } }
export const FLAG: ParameterSchema<boolean> = { schema: { type: 'boolean' } }
export const NUMBER: ParameterSchema<number> = { schema: { type: 'number' } }

/** A list of such values. */
export const listOf = <Value extends Json>({ schema }: ParameterSchema<Value>): ParameterSchema<readonly Value[]> => ({
  schema: { type: 'array', items: schema },
})
/** A mapping from any name, such as one of a host, to such values. */
export const byName = <Value extends Json>({
  schema,
}: ParameterSchema<Value>): ParameterSchema<{ readonly [name: string]: Value }> => ({
  schema: { type: 'object', additionalProperties: schema },
})
/** Or null: the planner does not know it. */
export const orNull = <Value extends Json>({ schema }: ParameterSchema<Value>): ParameterSchema<Value | null> => ({
  schema: { anyOf: [schema, { type: 'null' }] },
})
/** The step may have it or not. */
export const optional = <Value extends Json>({ schema }: ParameterSchema<Value>): Optional<Value> => ({
  schema,
  optional: true,
})

type Schemas<P extends JsonObject> = {
  readonly [Name in keyof P]-?: undefined extends P[Name]
    ? Optional<Exclude<P[Name], undefined>>
    : ParameterSchema<P[Name]>
}

/**
 * The JSON schema of a step's parameters. The compiler holds it against their type: none is missing, and none is
 * unknown.
 */
export function parametersOf<P extends JsonObject>(schemas: Schemas<P>): JsonObject {
  const entries = Object.entries<ParameterSchema<unknown> | Optional<unknown>>(schemas)
  return {
    type: 'object',
    required: entries.flatMap(([name, one]) => ('optional' in one ? [] : [name])),
    additionalProperties: false,
    properties: Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])),
  }
}
