import type { ObjectStoreClient } from '../../clients/object-store-client.ts'
import { siteError } from '../../errors/standby-error.ts'
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
  const [content, stored] = await Promise.all([
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
  return { ...description, name, storedBytes: stored?.bytes ?? null }
}

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
  const { databases = {}, libraries = 0 } = said
  return (
    [said.keys, said.expired, said.bytes, libraries].every(isCount) &&
    typeof said.takenAt === 'string' &&
    !Number.isNaN(Date.parse(said.takenAt)) &&
    typeof said.sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(said.sha256) &&
    isObject(databases) &&
    Object.values(databases).every((one) => isObject(one) && isCount(one.keys) && isCount(one.expiring))
  )
}
const isCount = (value: Json | undefined): boolean =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
