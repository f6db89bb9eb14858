import { isObject, type JsonObject } from '../../values/json.ts'
import { type ConsulCall, type ConsulClient, inPath } from './client.ts'
import { numberIn } from './fields.ts'

/** `service-resolver`, `proxy-defaults`, `mesh`, …, as Consul keeps it. */
export interface ConfigEntry {
  readonly definition: JsonObject
  readonly modifyIndex: number
}

/** One configuration entry; null: there is none. */
export async function readConfigEntry(client: ConsulClient, kind: string, name: string): Promise<ConfigEntry | null> {
  const call: ConsulCall = {
    method: 'GET',
    path: `config/${inPath(kind)}/${inPath(name)}`,
    accepts: [404],
  }
  const { status, value } = await client.askJson(call)
  if (status === 404) return null
  if (!isObject(value)) throw client.unreadable(call, 'it is no object')
  return entryOf(value)
}

const entryOf = (definition: JsonObject): ConfigEntry => ({
  definition,
  modifyIndex: numberIn(definition.ModifyIndex),
})

/**
 * Writes a configuration entry at the index that was seen, 0 for a new one; false: it is at another one, and another
 * one too. Every datacenter forwards it to the primary one: while that is lost, it is `failed` (measured).
 */
export async function writeConfigEntry(client: ConsulClient, definition: JsonObject, cas: number): Promise<boolean> {
  const call: ConsulCall = {
    method: 'PUT',
    path: 'config',
    query: { cas },
    body: JSON.stringify(definition),
  }
  const { value } = await client.askJson(call)
  if (typeof value !== 'boolean') throw client.unreadable(call, 'it is neither true nor false')
  return value
}
