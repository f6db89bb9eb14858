import type { ConsulClient } from '../../clients/consul/client.ts'
import { writeConfigEntry } from '../../clients/consul/config-entries.ts'
import type { JsonObject } from '../../values/json.ts'
import { codes } from './codes.ts'

/**
 * Writes a configuration entry at the index that was seen, 0 for a new one. Fields that Consul itself keeps of it are
 * left out. Throws `consul-failed` (conflict) where another writer was faster.
 */
export async function writeEntry(
  client: ConsulClient,
  { kind, name }: { readonly kind: string; readonly name: string },
  fields: JsonObject,
  modifyIndex: number,
): Promise<void> {
  const { CreateIndex: _created, ModifyIndex: _modified, Hash: _hash, ...kept } = fields
  // The entry mesh is the only one of its kind, and has no name (`invalid config key "Name"`).
  const definition = { ...kept, Kind: kind, ...(kind === name ? {} : { Name: name }) }
  if (await writeConfigEntry(client, definition, modifyIndex)) return
  throw codes.error('consul-failed', `${kind} ${name} was changed by another writer`, {
    retry: 'conflict',
    where: `${kind}/${name}`,
  })
}
