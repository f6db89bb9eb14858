import type { Json, JsonObject } from '../../values/json.ts'
import { bytesBetween } from './wal.ts'

/**
 * What a kept description says existed only on the former primary, as reports show it beside the predicted and the
 * measured loss. `bytes`, `rows` and `commits` are intervals; an upper end of null means that not all of it could be
 * read. Bytes are computed from positions, and are exact also where nothing could be decoded. After a crash the control
 * file has no end: then there are at least as many as could be read. Pure.
 */
export function foundLoss(described: JsonObject, kept: string): JsonObject {
  const { bytes, forkedAt, readTo, commits, complete, meaning, firstCommitAt = null, lastCommitAt = null } = described
  const tables = Array.isArray(described.tables) ? (described.tables as JsonObject[]) : null
  const rows = tables?.reduce(
    (sum, { inserted, updated, deleted }) => sum + Number(inserted) + Number(updated) + Number(deleted),
    0,
  )
  const upTo = (counted: Json | undefined): [number, number | null] => {
    if (typeof counted !== 'number') return [0, null]
    return [counted, complete === true ? counted : null]
  }
  return {
    bytes: typeof bytes === 'number' ? [bytes, bytes] : [bytesBetween(String(forkedAt), String(readTo)), null],
    rows: upTo(rows),
    commits: upTo(commits),
    tables: tables ?? [],
    firstCommitAt,
    lastCommitAt,
    why: `${String(meaning)}; kept in ${kept}`,
  }
}
