import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import type { Stack } from '../../../domain/stack.ts'
import type { JsonObject } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import type { Database } from '../spec.ts'

/** The user's own Cluster spec; empty when none is declared. Throws `database-values-invalid` that names the file. */
export async function readUserSpec(component: Database, stack: Stack): Promise<JsonObject> {
  const file = component.spec.cluster?.file
  if (file === undefined) return {}
  const path = resolve(stack.source.directory, file)
  const invalid = (why: string): Error =>
    codes.error('database-values-invalid', `${file} ${why}`, { retry: 'never', mustAct: 'input', where: path })
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw invalid(`cannot be read: ${error.message}`)
  })
  let value: unknown
  try {
    value = parse(text, { uniqueKeys: true, maxAliasCount: 100 })
  } catch (error) {
    throw invalid(`is no YAML: ${(error as Error).message.split('\n')[0]}`)
  }
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid('must hold the fields of a Cluster spec, such as `instances: 2`')
  if ('spec' in value || 'kind' in value)
    throw invalid('must hold the fields of a Cluster spec alone, without `kind`, `metadata` and `spec:`')
  return value as JsonObject
}
