import type { Varies } from '../../driver/varying.ts'
import type { Json } from '../../values/json.ts'
import { parseLsn } from './wal.ts'

/**
 * Where a lost primary was last seen (LSN, or null), for the measure of what was lost: it may have written on between a
 * plan and its execution, or have been silent once. Pure.
 */
export const lastSeenVaries: Varies = (planned, now) => {
  const [then, since] = [positionIn(planned), positionIn(now)]
  return then !== undefined && since !== undefined && (then === null || since === null || then <= since)
}

/** undefined: no position at all. */
function positionIn(value: Json | undefined): bigint | null | undefined {
  if (value === null) return null
  return typeof value === 'string' ? (parseLsn(value) ?? undefined) : undefined
}
