import type { ObjectInfo, ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { Manifest } from '../../../systems/postgres/restore-manifest.ts'
import { isObject, type Json } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import type { DeclaredDumps } from '../spec.ts'

/** What stands beside a dump of ours; written last, so its presence says that the dump is complete. */
export interface DumpDescription extends Pick<Manifest, 'counts' | 'extensions'> {
  readonly schemaVersion: 1
  /** ISO 8601: when the snapshot was taken. */
  readonly takenAt: string
  readonly database: string
  readonly systemId: string
  /** `server_version_num` of the server: 150020. */
  readonly serverVersion: number
  /** In this order they are the dump. */
  readonly parts: readonly Part[]
}
export interface Part {
  /** Relative to the folder of the dumps. */
  readonly key: string
  readonly bytes: number
  /** SHA-256, in hexadecimal digits. */
  readonly sha256: string
}

/** A dump as it lies in the store. */
export interface StoredDump {
  /** Without ending, relative to the store. */
  readonly name: string
  /** ISO 8601; of a dump of others: when it was stored. */
  readonly takenAt: string
  /** null: a dump of others, of which nothing was written down. */
  readonly description: DumpDescription | null
  readonly parts: readonly {
    /** Relative to the store. */
    readonly key: string
    /** What the store has of it; null: nothing. */
    readonly storedBytes: number | null
  }[]
}
export interface Dumps {
  readonly newest: StoredDump | null
  /** Of the newest dump that has one: its own, or an older one's. */
  readonly manifest: DumpDescription | null
}

export const folderOf = ({ folder }: DeclaredDumps): string => `${folder}/`

/**
 * The newest dump that lies directly in the folder: `<stamp>.json` with its parts, or `<anything>.dump` of others.
 * Throws `database-dump-damaged` when the newest description is none.
 */
export async function dumpsIn(store: ObjectStoreClient, folder: string, signal: AbortSignal): Promise<Dumps> {
  const objects = await store.list(folder, { signal })
  const sizes = new Map(objects.map(({ key, bytes }) => [key, bytes]))
  const name = objects.flatMap(({ key }) => DESCRIPTION.exec(key.slice(folder.length))?.[1] ?? []).at(-1)
  const manifest = name === undefined ? null : await readDescription(store, `${folder}${name}.json`, signal)
  const ours: StoredDump[] =
    name === undefined || manifest === null
      ? []
      : [
          {
            name: `${folder}${name}`,
            takenAt: manifest.takenAt,
            description: manifest,
            parts: manifest.parts.map(({ key }) => ({
              key: `${folder}${key}`,
              storedBytes: sizes.get(`${folder}${key}`) ?? null,
            })),
          },
        ]
  const others = objects.filter(({ key }) => FOREIGN.test(key.slice(folder.length))).map(foreign)
  const [newest = null] = [...ours, ...others].sort((a, b) => Date.parse(b.takenAt) - Date.parse(a.takenAt))
  return { newest, manifest }
}

const DESCRIPTION = /^(\d{8}T\d{6}Z)\.json$/
const FOREIGN = /^[^/]+\.dump$/

const foreign = ({ key, bytes, modified }: ObjectInfo): StoredDump => ({
  name: key.slice(0, -'.dump'.length),
  takenAt: modified,
  description: null,
  parts: [{ key, storedBytes: bytes }],
})

/** null: there is none. Throws `database-dump-damaged`. */
export async function readDescription(
  store: ObjectStoreClient,
  key: string,
  signal: AbortSignal,
): Promise<DumpDescription | null> {
  const content = await store.get(key, { signal })
  if (content === null) return null
  const said = parsed(content.body)
  if (isDescription(said)) return said as unknown as DumpDescription
  throw codes.error('database-dump-damaged', `${key} does not describe a dump`, {
    retry: 'never',
    where: key,
    next: 'Remove it, or bring back its earlier version: the newest dump before it then counts.',
  })
}

function parsed(body: string): Json {
  try {
    return JSON.parse(body) as Json
  } catch {
    return null
  }
}

/** An object store is written to by others too. */
function isDescription(said: Json): boolean {
  if (!isObject(said) || said.schemaVersion !== 1) return false
  const { takenAt, database, systemId, serverVersion, parts, counts, extensions } = said
  return (
    typeof takenAt === 'string' &&
    !Number.isNaN(Date.parse(takenAt)) &&
    typeof database === 'string' &&
    typeof systemId === 'string' &&
    isCount(serverVersion) &&
    Array.isArray(parts) &&
    parts.length > 0 &&
    parts.every(isPart) &&
    isObject(counts) &&
    Object.values(counts).every((count) => count === null || isCount(count)) &&
    Array.isArray(extensions) &&
    extensions.every((extension) => typeof extension === 'string')
  )
}
const isPart = (one: unknown): boolean => {
  const said = one as Json
  return (
    isObject(said) &&
    typeof said.key === 'string' &&
    /^\d{8}T\d{6}Z-[0-9a-f]{8}\/\d{5}$/.test(said.key) &&
    isCount(said.bytes) &&
    typeof said.sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(said.sha256)
  )
}
const isCount = (value: Json | undefined): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
