/** What a dump held, as its backup counted it. */
export interface HeldKeys {
  /** Of all logical databases. */
  readonly keys: number
  /** Of these, how many had expired already: no Redis loads them. */
  readonly expired: number
  /**
   * By the number of the logical database: its keys, and how many of them expire some day. Absent in dumps from before
   * it was counted.
   */
  readonly databases?: Readonly<Record<string, { readonly keys: number; readonly expiring: number }>>
  /** Libraries of functions (Redis 7). */
  readonly libraries?: number
}

/** What a Redis has that has loaded it. */
export interface LoadedKeys {
  readonly keys: number
  /** Keys that were loaded and have expired since: with `keys` they make up what the dump held. */
  readonly expired: number
  readonly databases: Readonly<Record<string, number>>
  readonly libraries: number
}

/**
 * What of a dump is not there, in words; empty: all is. A key that is gone may have expired, rightly, if the server has
 * counted so many; in each logical database no more may be gone than could expire. Pure.
 */
export function missingOf(held: HeldKeys, loaded: LoadedKeys): string[] {
  const least = held.keys - held.expired
  const databases = Object.entries(held.databases ?? {}).flatMap(([database, { keys, expiring }]) => {
    const found = loaded.databases[database] ?? 0
    return keys - found > expiring
      ? [`database ${database} has ${found} of ${keys} keys, of which ${expiring} could expire`]
      : []
  })
  return [
    // Also where each database can explain its own gaps: what expired, Redis has counted.
    ...(loaded.keys + loaded.expired >= least
      ? []
      : [`${loaded.keys} of ${least} keys are there, ${loaded.expired} expired since the dump`]),
    ...databases,
    ...(loaded.libraries >= (held.libraries ?? 0)
      ? []
      : [`${loaded.libraries} of ${held.libraries} libraries of functions are there`]),
  ]
}

/** `20 keys (database 0: 8, database 1: 12)`; the sum alone where there is no more than database 0. */
export function keysInWords(keys: number, databases: Readonly<Record<string, number>>): string {
  const parts = Object.entries(databases)
  return parts.every(([database]) => database === '0')
    ? `${keys} keys`
    : `${keys} keys (${parts.map(([database, count]) => `database ${database}: ${count}`).join(', ')})`
}

/** The keys of each logical database, without more. */
export const databasesOf = (held: HeldKeys): Record<string, number> =>
  Object.fromEntries(Object.entries(held.databases ?? {}).map(([database, { keys }]) => [database, keys]))
