import type { Varies, VaryingTitle } from '../../driver/varying.ts'
import { databasesOf, type HeldKeys, keysInWords } from '../../systems/redis/count-keys.ts'
import { isObject, type Json } from '../../values/json.ts'
import type { RedisSpec } from './spec.ts'

/** The part of a dump's description that a restore needs. */
export type DumpReference = Pick<HeldKeys, keyof HeldKeys> & {
  readonly name: string
  readonly sha256: string
  /** ISO 8601. */
  readonly takenAt: string
}

/** The title of a restore that loads a dump which the plan names. */
export const titleOfLoad = (
  name: string,
  from: string,
  to: string,
  dump: HeldKeys & Pick<DumpReference, 'takenAt'>,
): string =>
  `Loads the dump of ${from} of ${dump.takenAt} (${keysInWords(dump.keys, databasesOf(dump))}) into ${name} on ${to}, and counts the keys of each database; begins empty should it not load`

/**
 * The title of a restore as it would be planned with this dump; null where the parameters do not describe a dump. Pure.
 */
export const titleOfPlanned: VaryingTitle<RedisSpec> = ({ spec }, { site, parameters: { planned, source } }) => {
  if (site === null || typeof source !== 'string' || !isObject(planned)) return null
  const { takenAt, keys, databases = {} } = planned
  const isCount = (count: Json | undefined): boolean => Number.isSafeInteger(count)
  const counted =
    isObject(databases) &&
    Object.entries(databases).every(([number, held]) => /^\d+$/.test(number) && isObject(held) && isCount(held.keys))
  // No free text: a reviewer reads the title.
  if (typeof takenAt !== 'string' || !/^[\dTZ:.+-]+$/.test(takenAt) || !isCount(keys) || !counted) return null
  return titleOfLoad(spec.name, source, site, planned as unknown as DumpReference)
}

/**
 * A lost site that still lives takes newer dumps than the approved one, and its store may have fallen silent since.
 * A plan must name a dump that could be read when the plan was made.
 */
export const dumpVaries: Varies = (planned, now, madeAt) => {
  const takenAt = isObject(planned) ? Date.parse(String(planned.takenAt)) : Number.NaN
  const wasThere = takenAt <= Date.parse(madeAt)
  return wasThere && (now === undefined || (isObject(now) && Date.parse(String(now.takenAt)) > Date.parse(madeAt)))
}
