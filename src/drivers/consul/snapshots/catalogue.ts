import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { JsonObject } from '../../../values/json.ts'
import { isObject } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import { COUNTED, type Counts } from './count.ts'

/** What stands beside each snapshot; written last, so its presence says that the snapshot is complete. */
export interface SnapshotDescription {
  readonly schemaVersion: 1
  readonly takenAt: string
  readonly site: string
  readonly datacenter: string
  readonly consulVersion: string
  readonly bytes: number
  readonly sha256: string
  /** The name of its file, in the folder of its description. */
  readonly file: string
  /** What was counted before and after it was taken: the least, and the most. */
  readonly least: Counts
  readonly most: Counts
}
export interface CataloguedSnapshot extends SnapshotDescription {
  /** Without ending, relative to the store. */
  readonly name: string
}

const DESCRIPTION = /^\d{8}T\d{6}Z\.json$/
/** It never leads out of its folder. */
const FILE = /^\d{8}T\d{6}Z-[0-9a-f]{8}\.snap$/
/** Both of them; the first group is the stamp. */
export const SNAPSHOT_NAME = /^(\d{8}T\d{6}Z)(?:\.json|-[0-9a-f]{8}\.snap)$/

/**
 * The newest complete snapshot that lies directly in a folder; null: there is none. Throws `consul-snapshot-damaged`.
 */
export async function newestSnapshot(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
): Promise<CataloguedSnapshot | null> {
  const objects = await store.list(folder, { signal })
  const described = objects
    .filter(({ key }) => key.startsWith(folder) && DESCRIPTION.test(key.slice(folder.length)))
    .at(-1)
  return described === undefined ? null : readSnapshot(store, described.key.slice(0, -'.json'.length), signal)
}

/** One snapshot by its name; null while it is not complete. Throws `consul-snapshot-damaged`. */
export async function readSnapshot(
  store: ObjectStoreClient,
  name: string,
  signal: AbortSignal,
): Promise<CataloguedSnapshot | null> {
  const content = await store.get(`${name}.json`, { signal })
  if (content === null) return null
  const description = describedIn(content.body)
  if (description !== null) return { ...description, name }
  throw codes.error('consul-snapshot-damaged', `${name}.json does not describe a snapshot`, {
    retry: 'never',
    where: `${name}.json`,
    next: 'Remove it, or bring back its earlier version: the newest snapshot before it then counts.',
  })
}

/** The key of the snapshot itself, relative to the store. Pure. */
export const keyOf = ({ name, file }: Pick<CataloguedSnapshot, 'name' | 'file'>): string =>
  `${name.slice(0, name.lastIndexOf('/') + 1)}${file}`

function describedIn(body: string): SnapshotDescription | null {
  try {
    const said: unknown = JSON.parse(body)
    return isDescription(said) ? said : null
  } catch {
    return null
  }
}

/** An object store is written to by others too. */
function isDescription(said: unknown): said is SnapshotDescription & JsonObject {
  if (!isObject(said) || said.schemaVersion !== 1) return false
  const { takenAt, site, datacenter, consulVersion, bytes, sha256, file, least, most } = said
  return (
    [site, datacenter, consulVersion].every((one) => typeof one === 'string') &&
    typeof takenAt === 'string' &&
    !Number.isNaN(Date.parse(takenAt)) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    typeof file === 'string' &&
    FILE.test(file) &&
    isCount(bytes) &&
    [least, most].every((counts) => isObject(counts) && COUNTED.every((what) => isCount(counts[what])))
  )
}
const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
