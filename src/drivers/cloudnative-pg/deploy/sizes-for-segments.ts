import { megabytesOf } from '../../../systems/postgres/wal.ts'
import type { JsonObject } from '../../../values/json.ts'
import { OF_INITDB, segmentBytesBegunWith } from '../segment-length.ts'

/**
 * A restored copy begins with the postgresql.conf of a new initdb, and PostgreSQL does not start where its min_wal_size
 * is less than two segments ("must be at least twice wal_segment_size", seen). These are the numbers that initdb gives
 * to a database with such segments: 5 and 64 of them.
 */
export function sizesForSegments({ bootstrap }: JsonObject): JsonObject {
  const megabytes = megabytesOf(segmentBytesBegunWith(bootstrap) ?? OF_INITDB)
  return megabytes <= megabytesOf(OF_INITDB)
    ? {}
    : { parameters: { min_wal_size: `${5 * megabytes}MB`, max_wal_size: `${64 * megabytes}MB` } }
}
