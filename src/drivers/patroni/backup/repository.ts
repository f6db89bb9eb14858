/** What pgBackRest writes: the one place that knows the texts of its commands (2.45). */
import { isObject, type Json, type JsonObject } from '../../../values/json.ts'

/** A stanza as `pgbackrest info --output=json` describes it. */
export interface Stanza {
  /** `missing`: it was never made, or is gone. `unreadable`: a wrong key or pass phrase, a damaged file. */
  readonly is: 'read' | 'missing' | 'unreachable' | 'unreadable'
  /** The words of pgBackRest, on one line. */
  readonly said: string
  /** Oldest first. */
  readonly backups: readonly StoredBackup[]
  /** The system identifier of the newest database that was archived here; null where there is none. */
  readonly systemId: string | null
  /** The highest name of a segment, of all timelines; null where nothing was archived. */
  readonly newestWal: string | null
}

export interface StoredBackup {
  /** `20261130-121313F` */
  readonly label: string
  /** Of the WAL that it needs: `15-1`. */
  readonly archive: string
  /** Major version of PostgreSQL: `15`. */
  readonly version: string
  readonly systemId: string | null
  /** Names of its first and last segment. */
  readonly beginWal: string
  readonly endWal: string
  /** ISO 8601. */
  readonly endedAt: string
  /** Whether pages had wrong checksums when it was taken. */
  readonly hasDamage: boolean
  readonly annotations: Readonly<Record<string, string>>
}

/** Asks for a stanza, whose name is the first argument of the shell. */
export const INFO = 'exec pgbackrest --stanza="$0" --output=json info'

/** Its exit code is 0 whatever it found: only the answer says how a stanza is. Pure. */
export function stanzaIn(output: string, name: string): Stanza {
  const none = { backups: [], systemId: null, newestWal: null }
  const all = parsed(output)
  // With a wrong pass phrase it puts what it could not decipher into its answer, as it is: that is no JSON.
  if (all === null) return { is: 'unreadable', said: oneLine(messageIn(output)), ...none }
  const entry = Array.isArray(all) ? all.filter(isObject).find((one) => one.name === name) : undefined
  if (entry === undefined) return { is: 'missing', said: 'no such stanza', ...none }
  const repositories = listIn(entry.repo)
  const status = objectIn(repositories[0]?.status ?? entry.status)
  const said = oneLine(String(status.message ?? ''))
  const databases = listIn(entry.db)
  const archives = listIn(entry.archive)
  const byId = (list: readonly JsonObject[], id: Json | undefined): JsonObject | undefined =>
    list.find((one) => (one.id ?? null) === (id ?? null))
  const backups = listIn(entry.backup).map((one): StoredBackup => {
    const database = byId(databases, objectIn(one.database).id)
    const archive = archives.find((candidate) => objectIn(candidate.database).id === objectIn(one.database).id)
    const wal = objectIn(one.archive)
    const ended = objectIn(one.timestamp).stop
    return {
      label: String(one.label ?? ''),
      archive: String(archive?.id ?? ''),
      version: String(database?.version ?? ''),
      systemId: systemIdIn(database),
      beginWal: String(wal.start ?? ''),
      endWal: String(wal.stop ?? ''),
      endedAt: typeof ended === 'number' ? new Date(ended * 1_000).toISOString() : '',
      hasDamage: one.error === true,
      annotations: Object.fromEntries(
        Object.entries(objectIn(one.annotation)).map(([key, value]) => [key, String(value)]),
      ),
    }
  })
  const segments = archives.flatMap(({ max }) => (typeof max === 'string' ? [max] : [])).sort()
  return {
    is: howItIs(status.code, said),
    said,
    backups,
    systemId: systemIdIn(databases.at(-1)),
    newestWal: segments.at(-1) ?? null,
  }
}

/** Of info.c: 0 ok, 1 missing stanza path, 2 no valid backups, 3 missing stanza data, 99 other. */
function howItIs(code: Json | undefined, said: string): Stanza['is'] {
  if (code === 0 || code === 2) return 'read'
  if (code === 1 || code === 3) return 'missing'
  return isNetworkTrouble(said) ? 'unreachable' : 'unreadable'
}
/** The store did not answer, as against one that answered with a refusal. */
export const isNetworkTrouble = (said: string): boolean =>
  /HostConnectError|ServiceError|unable to (connect|get address)|timeout (connecting|waiting)|\[049\]/.test(said)

/** 64 bits: `JSON.parse` would round it, so that it is made a text before. */
const systemIdIn = (database: JsonObject | undefined): string | null =>
  typeof database?.['system-id'] === 'string' ? database['system-id'] : null

const parsed = (output: string): unknown => {
  try {
    return JSON.parse(output.replaceAll(/("system-id":)\s*(\d+)/g, '$1"$2"'))
  } catch {
    return null
  }
}
const messageIn = (output: string): string => /"message":"([^\\"\n]+)/.exec(output)?.[1] ?? output
const objectIn = (value: Json | undefined): JsonObject => (isObject(value) ? value : {})
const listIn = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** The first lines of a message, which may hold the whole answer of a store, without binary. */
export const oneLine = (said: string): string =>
  said
    .split('\n')
    .filter((line) => !/^\*\*\*|^[a-z-]+: |^HINT/.test(line))
    .slice(0, 2)
    .join(' ')
    .replaceAll(/[^\x20-\x7e]+/g, '?')
    .slice(0, 300)

/** What `pgbackrest repo-ls --recurse --output=json` lists: bytes by path. Pure. */
export function filesIn(output: string): ReadonlyMap<string, number> {
  const all = parsed(output)
  return new Map(
    Object.entries(isObject(all) ? all : {}).flatMap(([path, entry]): [string, number][] => {
      const { type, size } = objectIn(entry)
      return type === 'file' ? [[path, typeof size === 'number' ? size : 0]] : []
    }),
  )
}

/** A segment, or the history of a timeline, in a repository. */
export interface ArchivedFile {
  /** As PostgreSQL calls it. */
  readonly name: string
  /** SHA-1 of its content before it was compressed; null: of a history none is kept. */
  readonly sha1: string | null
}

/**
 * The WAL of one archive, such as `15-1`, in a listing of the stanza: its files are called
 * `15-1/0000000100000000/000000010000000000000002-<SHA-1>.lz4` and `15-1/00000002.history`. Pure.
 */
export const archivedIn = (files: ReadonlyMap<string, number>, archive: string): ArchivedFile[] =>
  [...files.keys()].flatMap((path): ArchivedFile[] => {
    if (!path.startsWith(`${archive}/`)) return []
    const name = path.split('/').at(-1) ?? ''
    const [, segment, sha1 = null] = /^([0-9A-F]{24})-([0-9a-f]{40})(\.[a-z0-9]+)?$/.exec(name) ?? []
    if (segment !== undefined) return [{ name: segment, sha1 }]
    return /^[0-9A-F]{8}\.history$/.test(name) ? [{ name, sha1: null }] : []
  })
