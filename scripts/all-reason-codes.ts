import { drivers } from '../src/drivers/registry.ts'
import { REASON_CODES } from '../src/errors/reason-codes.ts'

/**
 * Area → code → meaning: the core's, and what each driver of the registry declares. A declared meaning counts. A code
 * that drivers of several areas declare, because they share a system, stands in the area of most of them.
 */
export type AllReasonCodes = ReadonlyMap<string, ReadonlyMap<string, string>>

export function allReasonCodes(): AllReasonCodes {
  const declared = Object.values(drivers).flatMap(({ codes }) => (codes === undefined ? [] : [codes]))
  const declaredNames = new Set(declared.flatMap(({ table }) => Object.keys(table)))
  const areas = new Map<string, Map<string, string>>()
  const put = (area: string, [code, meaning]: readonly [string, string]): void => {
    areas.set(area, (areas.get(area) ?? new Map()).set(code, meaning))
  }
  for (const [area, codes] of Object.entries(REASON_CODES))
    for (const row of Object.entries(codes)) if (!declaredNames.has(row[0])) put(area, row)
  for (const { area, table } of declared)
    for (const row of Object.entries(table)) if (area === areaOf(row[0], declared)) put(area, row)
  return areas
}

function areaOf(code: string, declared: readonly Declared[]): string | undefined {
  const areas = declared.filter(({ table }) => Object.hasOwn(table, code)).map(({ area }) => area)
  const drivers = (area: string): number => areas.filter((one) => one === area).length
  return [...new Set(areas)].sort((a, b) => drivers(b) - drivers(a))[0]
}
type Declared = NonNullable<(typeof drivers)[string]>['codes']

/** Code → meaning. */
export const reasonCodeMeanings = (): ReadonlyMap<string, string> =>
  new Map([...allReasonCodes().values()].flatMap((codes) => [...codes]))
