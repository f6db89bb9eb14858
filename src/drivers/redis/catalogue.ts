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

/** The newest complete dump of a folder, at or after a time where one is given. */
export async function newestDump(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
  notBefore = '',
): Promise<CataloguedDump | null> {
  const objects = await store.list(folder, { signal })
  const described = objects.filter((object) => /\/\d{8}T\d{6}Z\.json$/.test(`/${object.key}`)).at(-1)
  if (described === undefined) return null
  const content = await store.get(described.key, { signal })
  if (content === null) return null
  const description = JSON.parse(content.body) as DumpDescription
  if (description.takenAt < notBefore) return null
  const name = described.key.slice(0, -'.json'.length)
  return { ...description, name, storedBytes: objects.find((object) => object.key === `${name}.rdb`)?.bytes ?? null }
}
