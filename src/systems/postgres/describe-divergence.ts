import type { JsonObject } from '../../values/json.ts'
import { type ControlData, endOf } from './control-data.ts'
import type { Decoded } from './decode-divergence.ts'
import type { Fork } from './timeline-history.ts'
import { bytesBetween, parseLsn, parseSegment, type SegmentBytes } from './wal.ts'

/**
 * What a former primary alone has, as its evidence says it. `decoded` and `fork` are null where the histories never
 * parted; `tables`: names by relation file. Pure.
 */
export function describeDivergence(
  fork: Fork | null,
  control: ControlData,
  decoded: Decoded | null,
  tables: ReadonlyMap<string, string>,
): JsonObject {
  const end = endOf(control)
  return {
    state: control.state,
    forkedAt: fork?.at ?? null,
    // Null after a crash: the control file knows its last checkpoint only.
    endedAt: end,
    timeline: control.timeline,
    bytes: bytesBeyond(fork, end, decoded),
    ...(decoded === null ? NEVER_PARTED : described(decoded, tables)),
  }
}

/** Null where the end is unknown. */
function bytesBeyond(fork: Fork | null, end: string | null, decoded: Decoded | null): number | null {
  if (fork === null || decoded?.endsAtFork === true) return 0
  return end === null ? null : bytesBetween(fork.at, end)
}

const NEVER_PARTED = {
  tables: [],
  commits: 0,
  complete: true,
  missing: [],
  meaning: 'the histories never parted: nothing exists on this site only',
}

function described(
  { divergence, complete, missing, endsAtFork }: Decoded,
  tables: ReadonlyMap<string, string>,
): JsonObject {
  const verb = missing.length === 1 ? 'is' : 'are'
  const holes = missing.length === 0 ? '' : `; ${missing.join(', ')} ${verb} not on its volume any more`
  const read = { complete, missing: [...missing] }
  if (divergence === null)
    return {
      ...read,
      tables: null,
      commits: null,
      meaning: `the WAL could not be decoded here; the files hold what is left of it${holes}`,
    }
  if (endsAtFork)
    return {
      ...read,
      tables: [],
      commits: 0,
      meaning: 'its WAL ends where the histories parted: nothing was committed on this site only',
    }
  const { relations, rows: _, ...rest } = divergence
  return {
    ...rest,
    ...read,
    tables: relations.flatMap(({ relation, ...counts }): JsonObject[] => {
      const table = tables.get(relation)
      return table === undefined ? [] : [{ table, ...counts }]
    }),
    meaning: `rows that transactions changed which were committed on this site only, counted in its WAL; a row that was changed twice counts twice${complete ? '' : `; not all of it could be read, so there is more${holes}`}`,
  }
}

/**
 * Names of the WAL files that reach beyond the fork, oldest first. After the end of the WAL come old segments under new
 * names, made ready to be written again: they are left out where the end is known. Pure.
 */
export function divergentSegments(
  names: readonly string[],
  fork: Fork,
  endedAt: string | null,
  segments: SegmentBytes,
): string[] {
  const at = parseLsn(fork.at) ?? 0n
  const end = parseLsn(endedAt)
  return names.filter((name) => {
    const segment = name.length === 24 ? parseSegment(name, segments) : null
    return (
      segment !== null &&
      segment.timeline >= fork.timeline &&
      segment.end > at &&
      (end === null || segment.start <= end)
    )
  })
}
