import type { LoadedKeys } from './count-keys.ts'

/** What a Redis holds, by the fields of its INFO. Pure. */
export function loadedKeysIn(fields: ReadonlyMap<string, string>): LoadedKeys {
  const databases = keysByDatabase(fields)
  return {
    keys: Object.values(databases).reduce((sum, count) => sum + count, 0),
    databases,
    libraries: Number(fields.get('number_of_libraries') ?? 0),
    expired: Number(fields.get('expired_keys') ?? 0) + Number(fields.get('rdb_last_load_keys_expired') ?? 0),
  }
}

/** `db1` of the section Keyspace says `keys=20,expires=3,avg_ttl=0`; a logical database without keys is not named. */
const keysByDatabase = (fields: ReadonlyMap<string, string>): Record<string, number> =>
  Object.fromEntries(
    [...fields].flatMap(([name, value]) => {
      const [database, keys] = [/^db(\d+)$/.exec(name)?.[1], /^keys=(\d+)/.exec(value)?.[1]]
      return database === undefined || keys === undefined ? [] : [[database, Number(keys)]]
    }),
  )
