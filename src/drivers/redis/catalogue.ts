import type { ObjectStoreClient } from '../../clients/object-store-client.ts'

/** What stands beside each dump; written last, so its presence says that the dump is complete. */
export interface DumpDescription {
  readonly schemaVersion: 1
  readonly takenAt: string
  readonly site: string
  readonly keys: number
  readonly expired: number
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
export async function newestDump(store: ObjectStoreClient, folder: string, signal: AbortSignal): Promise<CataloguedDump | null> {
  const objects = await store.list(folder, { signal })
  const described = objects.filter(({ key }) => key.startsWith(folder) && DESCRIPTION.test(key.slice(folder.length))).at(-1)
  return described === undefined ? null : readDump(store, described.key.slice(0, -'.json'.length), signal)
}

const DESCRIPTION = /^\d{8}T\d{6}Z\.json$/

/** One dump by its name; null while it is not complete. */
export async function readDump(store: ObjectStoreClient, name: string, signal: AbortSignal): Promise<CataloguedDump | null> {
  const [content, stored] = await Promise.all([store.get(`${name}.json`, { signal }), store.head(`${name}.rdb`, { signal })])
  if (content === null) return null
  return { ...(JSON.parse(content.body) as DumpDescription), name, storedBytes: stored?.bytes ?? null }
}
