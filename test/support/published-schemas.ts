import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'

const read = (name: string): object =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'schema', `${name}.schema.json`), 'utf8')) as object

const ajv = new Ajv2020({
  allErrors: true,
  strict: false,
  formats: { 'date-time': (text: string) => !Number.isNaN(Date.parse(text)) },
})
for (const name of ['plan', 'result', 'evidence', 'witness']) ajv.addSchema(read(name))

/**
 * What a value breaks of a published schema, such as `plan.schema.json` or `result.schema.json#/$defs/move`; empty when
 * nothing.
 */
export function schemaErrors(schema: string, value: unknown): string[] {
  const validate = ajv.getSchema(`https://standby.dev/schema/${schema}`)
  if (validate === undefined) throw new Error(`no schema ${schema}`)
  return validate(value) === true
    ? []
    : (validate.errors ?? []).map(
        (error) => `${error.instancePath} ${error.message ?? ''} ${JSON.stringify(error.params)}`,
      )
}
