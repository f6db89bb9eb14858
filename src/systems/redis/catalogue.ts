import type { ObjectStoreClient } from '../../clients/object-store-client.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { isObject, type Json } from '../../values/json.ts'
import type { HeldKeys } from './count-keys.ts'

/** What stands beside each dump; written last, so its presence says that the dump is complete. */
export interface DumpDescription extends HeldKeys {
  readonly schemaVersion: 1
  readonly takenAt: string
  readonly site: string
  readonly bytes: number
  readonly sha256: string
  readonly redisVersion: string
  readonly rdbVersion: string
  readonly runId: string
  readonly offset: number
  /** Of a dump that is not `<name>.rdb`: the name of its file, in the folder of its description. */
  readonly file?: string
  /** Of which group of Sentinel, by which server of it (`10.1.0.11:6379`), in which history of replication. */
  readonly origin?: { readonly group: string; readonly server: string; readonly history: string }
}
export interface CataloguedDump extends DumpDescription {
  /** Without ending, relative to the store. */
  readonly name: string
  readonly storedBytes: number | null
}

/** The newest complete dump that lies directly in a folder: what lies in a folder below it is another component's. */
export async function newestDump(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
): Promise<CataloguedDump | null> {
  const objects = await store.list(folder, { signal })
  const described = objects
    .filter(({ key }) => key.startsWith(folder) && DESCRIPTION.test(key.slice(folder.length)))
    .at(-1)
  return described === undefined ? null : readDump(store, described.key.slice(0, -'.json'.length), signal)
}

/** The newest dump; a text: the fault of its description, for which it cannot be restored. */
export async function newestOrDamage(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
): Promise<CataloguedDump | string | null> {
  try {
    return await newestDump(store, folder, signal)
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.code !== 'dump-damaged') throw error
    return reason.message
  }
}

const DESCRIPTION = /^\d{8}T\d{6}Z\.json$/

/**
 * One dump by its name; null while it is not complete. Error: `dump-damaged`, when its description is not what a backup
 * writes.
 */
export async function readDump(
  store: ObjectStoreClient,
  name: string,
  signal: AbortSignal,
): Promise<CataloguedDump | null> {
  const [content, beside] = await Promise.all([
    store.get(`${name}.json`, { signal }),
    store.head(`${name}.rdb`, { signal }),
  ])
  if (content === null) return null
  const description = described(content.body)
  if (description === null)
    throw siteError('dump-damaged', `${name}.json does not describe a dump`, {
      where: `${name}.json`,
      next: 'Remove it, or bring back its earlier version: the newest dump before it then counts.',
    })
  const stored = description.file === undefined ? beside : await store.head(keyOf({ ...description, name }), { signal })
  return { ...description, name, storedBytes: stored?.bytes ?? null }
}

/** The key of the dump itself, relative to the store. Pure. */
export const keyOf = ({ name, file }: Pick<CataloguedDump, 'name' | 'file'>): string =>
  file === undefined ? `${name}.rdb` : `${name.slice(0, name.lastIndexOf('/') + 1)}${file}`

/** What a description says; null when it is none. An object store is written to by others too. */
function described(body: string): DumpDescription | null {
  try {
    const said = JSON.parse(body) as Json
    return isDescription(said) ? (said as unknown as DumpDescription) : null
  } catch {
    return null
  }
}

function isDescription(said: Json): boolean {
  if (!isObject(said) || said.schemaVersion !== 1) return false
  const { databases = {}, libraries = 0, file, origin } = said
  return (
    (file === undefined || (typeof file === 'string' && DUMP_FILE.test(file))) &&
    (origin === undefined ||
      (isObject(origin) && [origin.group, origin.server, origin.history].every((one) => typeof one === 'string'))) &&
    [said.keys, said.expired, said.bytes, libraries].every(isCount) &&
    typeof said.takenAt === 'string' &&
    !Number.isNaN(Date.parse(said.takenAt)) &&
    typeof said.sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(said.sha256) &&
    isObject(databases) &&
    Object.values(databases).every((one) => isObject(one) && isCount(one.keys) && isCount(one.expiring))
  )
}
/** It never leads out of its folder. */
const DUMP_FILE = /^\d{8}T\d{6}Z-[0-9a-f]{8}\.rdb$/
const isCount = (value: Json | undefined): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
