import type { Check } from '../../../domain/restore-test.ts'
import type { RestoredFacts } from '../../../systems/postgres/restored-facts.ts'
import { hours } from '../../../values/duration.ts'
import type { Database } from '../spec.ts'
import type { StoredDump } from './catalogue.ts'
import type { DumpListing } from './dump-listing.ts'

type Judged = Pick<Database, 'name'>

/** What the store has of a dump, against what was written down about it. Pure. */
export function judgeStored(component: Judged, { parts, description }: StoredDump): Check {
  const sizes = description?.parts.map(({ bytes }) => bytes) ?? parts.map(({ storedBytes }) => storedBytes)
  const wrong = parts.findIndex(({ storedBytes }, index) => storedBytes === null || storedBytes !== sizes[index])
  const part = parts[wrong]
  const total = sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0)
  return {
    ...checkOf(component, 'dump-size', wrong === -1 && total > 0),
    expected: description === null ? 'a dump that is not empty' : `${total} bytes in ${parts.length} parts`,
    found: part === undefined ? `${total} bytes` : `${part.key}: ${part.storedBytes ?? 'no'} bytes`,
  }
}

/** The checksums of what was fetched; null: of a dump of others none is known. Pure. */
export function judgeFetched(
  component: Judged,
  { parts, description }: StoredDump,
  fetched: readonly string[],
): Check | null {
  if (description === null) return null
  const wrong = description.parts.findIndex(({ sha256 }, index) => sha256 !== fetched[index])
  return {
    ...checkOf(component, 'dump-unchanged', wrong === -1),
    expected: 'the checksums that were written down with it',
    found: wrong === -1 ? 'the same' : `${parts[wrong]?.key}: ${fetched[wrong] ?? 'nothing'}`,
  }
}

/**
 * Whether it is a dump of the declared database. `systemId`: of the server that the source site has now; null where
 * that is not known. Pure.
 */
export function judgeOrigin(
  component: Judged,
  expected: { readonly database: string; readonly systemId: string | null },
  { description }: StoredDump,
  listing: DumpListing,
): Check {
  const text = (database: string | null, id: string | null | undefined): string =>
    `${database ?? 'unnamed'}${id === null || id === undefined ? '' : ` of system id ${id}`}`
  const systemId = description === null ? null : expected.systemId
  const good = listing.database === expected.database && (systemId === null || systemId === description?.systemId)
  return {
    ...checkOf(component, 'same-database', good),
    expected: text(expected.database, systemId),
    found: text(listing.database, systemId === null ? null : description?.systemId),
  }
}

/** Without a manifest nothing says what a backup must contain. Pure. */
export const judgeManifest = (component: Judged, { manifest }: { readonly manifest: object | null }): Check[] =>
  manifest === null
    ? [
        {
          ...checkOf(component, 'manifest', false),
          outcome: 'inconclusive',
          expected: 'a manifest, written at backup time',
          found: 'none; run: standby backup',
        },
      ]
    : []

/** Pure. */
export const judgeWritable = (component: Judged, { inRecovery }: Pick<RestoredFacts, 'inRecovery'>): Check => ({
  ...checkOf(component, 'accepts-writes', !inRecovery),
  expected: 'a server that is not in recovery',
  found: inRecovery ? 'in recovery' : 'writable',
})

/**
 * When the data of a dump were current: the earlier of what is written about it and what it says itself. An old dump
 * that was copied is new only in the store. Within 14 hours the two may differ by a time zone, which a dump does not
 * name. Pure.
 */
export function currentAt({ takenAt }: StoredDump, { createdAt }: DumpListing): string {
  if (createdAt === null) return takenAt
  return Date.parse(takenAt) - Date.parse(createdAt) > hours(14) ? createdAt : takenAt
}

const checkOf = ({ name }: Judged, id: string, good: boolean): Pick<Check, 'id' | 'component' | 'outcome'> => ({
  id,
  component: name,
  outcome: good ? 'pass' : 'fail',
})
