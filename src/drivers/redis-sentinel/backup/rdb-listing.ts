import { CHECK, DATABASES } from '../../../systems/redis/read-rdb.ts'
import { isObject, type Json } from '../../../values/json.ts'

/** What an RDB file says of itself, and how many keys were counted in it. */
export interface RdbListing {
  readonly keys: number
  readonly expired: number
  /** null where the file does not say it. */
  readonly databases: Readonly<Record<string, { readonly keys: number; readonly expiring: number }>> | null
  /** The version of its format: `10`. */
  readonly rdbVersion: string
  /** The replication history of its server, and its offset in it. */
  readonly history: string
  readonly offset: number
  /** ISO 8601: when it was written, by the clock of its server; null where it does not say it. */
  readonly writtenAt: string | null
}

/**
 * Shell functions: `list FILE SAID` checks an RDB file, and prints lines that {@link rdbListingIn} reads. It ends with
 * an error for a file that is not whole. The auxiliary fields are those of rdbSaveInfoAuxFields (rdb.c).
 */
export const LIST_RDB = `${CHECK}${DATABASES}
auxiliary() { sed -n "s/^\\[offset [0-9]*\\] AUX FIELD $1 = '\\(.*\\)'$/\\1/p" "$2" | head -n 1; }
list() {
  check "$1" "$2" || return 1
  databases "$1" "$2"
  echo "keys:$keys"
  echo "expired:\${expired:-0}"
  echo "databases:$held"
  echo "rdb:$(head -c 9 "$1" | tail -c 4 | sed 's/^0*//')"
  echo "history:$(auxiliary repl-id "$2")"
  echo "offset:$(auxiliary repl-offset "$2")"
  echo "written:$(auxiliary ctime "$2")"
}
`

/** Reads lines `name:value`, among others. Null where they do not describe an RDB file. Pure. */
export function rdbListingIn(output: string): RdbListing | null {
  const lines = new Map(
    output.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1)]
    }),
  )
  const keys = countIn(lines.get('keys'))
  if (keys === null) return null
  const written = countIn(lines.get('written'))
  return {
    keys,
    expired: countIn(lines.get('expired')) ?? 0,
    databases: databasesIn(lines.get('databases')),
    rdbVersion: lines.get('rdb') ?? '',
    history: lines.get('history') ?? '',
    offset: countIn(lines.get('offset')) ?? 0,
    writtenAt: written === null ? null : new Date(written * 1_000).toISOString(),
  }
}

const countIn = (text = ''): number | null => (/^\d{1,15}$/.test(text) ? Number(text) : null)

function databasesIn(text = ''): RdbListing['databases'] {
  if (text === '') return null
  const said = JSON.parse(text) as Json
  return isObject(said) ? (said as unknown as NonNullable<RdbListing['databases']>) : null
}
