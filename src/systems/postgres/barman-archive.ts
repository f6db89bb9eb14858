/** The layout of a Barman archive in a bucket: `<server>/base/<id>/backup.info`, `<server>/wals/<log>/<segment>`. */
import type { ObjectStoreClient, StoreCallOptions } from '../../clients/object-store-client.ts'
import { asSegmentBytes, type SegmentBytes } from './wal.ts'

/** A base backup as it lies in the bucket. */
export interface CataloguedBackup {
  readonly id: string
  readonly beginWal: string
  readonly endWal: string
  readonly endedAt: string
  readonly bytes: number
  readonly systemId: string | null
  /** As Barman read it from PostgreSQL; null where `backup.info` does not say. */
  readonly segmentBytes: SegmentBytes | null
}

/** The newest backup whose `backup.info` says DONE. Barman does not compare that with the data afterwards. */
export async function newestBackup(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
): Promise<CataloguedBackup | null> {
  const objects = await store.list(`${folder}base/`, { signal })
  const ids = [...new Set(objects.map((object) => object.key.slice(`${folder}base/`.length).split('/')[0] ?? ''))]
    .sort()
    .reverse()
  for (const id of ids) {
    const info = await store.get(`${folder}base/${id}/backup.info`, { signal })
    const fields = info === null ? null : parseBackupInfo(info.body)
    if (fields === null || fields.status !== 'DONE') continue
    const bytes = objects
      .filter((object) => object.key.startsWith(`${folder}base/${id}/`))
      .reduce((sum, object) => sum + object.bytes, 0)
    return {
      id,
      beginWal: fields.begin_wal ?? '',
      endWal: fields.end_wal ?? '',
      endedAt: asInstant(fields.end_time ?? ''),
      bytes,
      systemId: fields.systemid ?? null,
      segmentBytes: asSegmentBytes(Number(fields.xlog_segment_size)),
    }
  }
  return null
}

/** `key=value` lines. */
export function parseBackupInfo(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=')
      return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const]
    }),
  )
}

/** Barman writes `2026-11-21 03:20:29.123456+00:00`. */
const asInstant = (text: string): string => {
  const parsed = new Date(text.replace(' ', 'T'))
  return Number.isNaN(parsed.getTime()) ? text : parsed.toISOString()
}

/** The names of all that is archived below `wals/`, without the suffix of their compression. */
export async function walNames(store: ObjectStoreClient, folder: string, signal: AbortSignal): Promise<string[]> {
  return (await store.list(`${folder}wals/`, { signal })).map(({ key }) => walNameOf(key))
}

export interface ArchivedWal {
  readonly name: string
  /** When it arrived in the store. */
  readonly at: string
}

/** What is archived from a segment on: few keys, where the whole archive may hold a month of them. */
export async function walSince(
  store: ObjectStoreClient,
  folder: string,
  segment: string,
  options: StoreCallOptions,
): Promise<ArchivedWal[]> {
  // The key without its suffix sorts before the key with it.
  const startAfter = `${folder}wals/${segment.slice(0, 16)}/${segment.slice(0, -1)}`
  const objects = await store.list(`${folder}wals/`, { ...options, startAfter, limit: MOST_SEGMENTS })
  return objects.map(({ key, modified }) => ({ name: walNameOf(key), at: modified }))
}
/** What comes after these is listed again once a replica has come so far. */
const MOST_SEGMENTS = 5_000

const walNameOf = (key: string): string => (key.split('/').at(-1) ?? '').replace(/\.(gz|bz2|xz|zst|lz4|snappy)$/, '')
