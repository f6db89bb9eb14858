import type { Check } from '../../domain/restore-test.ts'
import type { Component } from '../../domain/stack.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import type { CataloguedBackup } from './barman-archive.ts'
import type { Manifest } from './restore-manifest.ts'
import type { RestoredFacts } from './restored-facts.ts'
import { formatLsn, holesIn, newestSegment, parseLsn } from './wal.ts'

type Outcome = Check['outcome']
type Named = Pick<Component, 'name'>

/** What a restored copy is held against. */
export interface Expected {
  readonly manifest: Manifest | null
  readonly backup: Pick<CataloguedBackup, 'id' | 'beginWal' | 'bytes' | 'systemId' | 'segmentBytes'>
  /** Names of all archived WAL. */
  readonly wal: readonly string[]
}

/** What can be said from the bucket alone. Pure. */
export function judgeCatalogue(component: Named, expected: Expected): Check[] {
  const { manifest, backup } = expected
  const check = checkOf(component)
  const complete = holdsAllWal(component, expected)
  if (manifest === null)
    return [
      complete,
      {
        ...check('manifest', false, 'a manifest, written at backup time', 'none; run: standby backup'),
        outcome: 'inconclusive',
      },
    ]
  // Barman still says DONE of a data.tar that was cut off; nothing reads it again before it is needed.
  return manifest.backupId === backup.id && manifest.bytes !== null
    ? [
        complete,
        check('backup-size', manifest.bytes === backup.bytes, `${manifest.bytes} bytes`, `${backup.bytes} bytes`),
      ]
    : [complete]
}

function holdsAllWal(component: Named, { manifest, backup, wal }: Expected): Check {
  const what = `every WAL segment from ${backup.beginWal} on`
  const check = checkOf(component)
  if (backup.segmentBytes === null) {
    const found = `backup.info of ${backup.id} does not say how long the segments are (xlog_segment_size)`
    return { ...check('wal-complete', false, what, found), outcome: 'inconclusive' }
  }
  const holes = holesIn(wal, backup.beginWal, backup.segmentBytes)
  // A backup with a hole after its end restores "successfully", with all later rows missing (measured).
  const missing =
    manifest === null || manifest.segment === '' || wal.includes(manifest.segment)
      ? holes
      : [...holes, manifest.segment]
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  const found = missing.length === 0 ? 'no hole' : `missing: ${missing.slice(0, 5).join(', ')}${more}`
  return check('wal-complete', missing.length === 0, what, found)
}

/** What the restored data says. Pure. */
export function judgeRestored(component: Named, expected: Expected, facts: RestoredFacts): Check[] {
  const check = checkOf(component)
  const { manifest, backup } = expected
  const systemId = manifest?.systemId ?? backup.systemId
  const checks = [
    check(
      'accepts-writes',
      !facts.inRecovery,
      'a server that left recovery',
      facts.inRecovery ? 'still in recovery' : 'writable',
    ),
  ]
  if (systemId !== null)
    checks.push(check('same-database', facts.systemId === systemId, `system id ${systemId}`, facts.systemId))
  checks.push(reachesEnd(component, expected, facts))
  if (facts.corruption !== null)
    checks.push(
      check(
        'undamaged',
        facts.corruption.length === 0,
        'pg_amcheck finds nothing',
        facts.corruption.join(' | ') || 'nothing',
      ),
    )
  return [...checks, ...judgeContents(component, manifest, facts)]
}

/**
 * The tables and extensions of a restored database. `exactly`: the manifest was counted in the very snapshot that was
 * backed up; otherwise rows may have come since. Pure.
 */
export function judgeContents(
  component: Named,
  manifest: Pick<Manifest, 'counts' | 'extensions'> | null,
  facts: Pick<RestoredFacts, 'counts' | 'extensions'>,
  counted: 'exactly' | 'at-least' = 'at-least',
): Check[] {
  return [
    ...notEmpty(component, facts),
    ...(manifest === null ? [] : againstManifest(component, manifest, facts, counted)),
  ]
}

function notEmpty(component: Named, facts: Pick<RestoredFacts, 'counts'>): Check[] {
  const counted = Object.values(facts.counts)
  if (counted.length === 0) return []
  const rows = counted.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  return [checkOf(component)('not-empty', rows > 0, 'rows in the counted tables', `${rows} rows`)]
}

/** A recovery ends without an error wherever its WAL ends: only the position shows how far it came. */
function reachesEnd(component: Named, { manifest, backup, wal }: Expected, facts: RestoredFacts): Check {
  const newest = backup.segmentBytes === null ? null : newestSegment(wal, backup.segmentBytes)
  const marks = [
    { mark: parseLsn(manifest?.lsn), named: 'of the manifest' },
    { mark: newest?.start ?? null, named: 'where the newest archived segment begins' },
  ].flatMap(({ mark, named }) => (mark === null ? [] : [{ mark, named }]))
  const reached = parseLsn(facts.recoveredTo)
  const check = checkOf(component)
  if (marks.length === 0) {
    const found = 'neither a manifest nor an archived segment whose position is known'
    return { ...check('reaches-end', false, 'a position that the WAL has to reach', found), outcome: 'inconclusive' }
  }
  return check(
    'reaches-end',
    reached !== null && marks.every(({ mark }) => reached >= mark),
    `WAL up to ${marks.map(({ mark, named }) => `${formatLsn(mark)} (${named})`).join(' and ')}`,
    reached === null ? 'an unknown position' : `WAL up to ${facts.recoveredTo}`,
  )
}

/** Rows may have been deleted since: then a fresh backup (`standby backup`) makes a fresh manifest. */
function againstManifest(
  component: Named,
  manifest: Pick<Manifest, 'counts' | 'extensions'>,
  facts: Pick<RestoredFacts, 'counts' | 'extensions'>,
  counted: 'exactly' | 'at-least',
): Check[] {
  const check = checkOf(component)
  const expected = Object.entries(manifest.counts).filter((entry): entry is [string, number] => entry[1] !== null)
  const other = expected.filter(([table, count]) => {
    const found = facts.counts[table] ?? -1
    return counted === 'exactly' ? found !== count : found < count
  })
  const shown = (pairs: readonly (readonly [string, number | null])[]): string =>
    pairs.map(([table, count]) => `${table} ${count ?? 'missing'}`).join(', ') || 'no table'
  return [
    check(
      'extensions',
      manifest.extensions.every((extension) => facts.extensions.includes(extension)),
      manifest.extensions.join(', '),
      facts.extensions.join(', '),
    ),
    check(
      'row-counts',
      other.length === 0,
      `${counted.replace('-', ' ')} ${shown(expected)}`,
      shown(expected.map(([table]) => [table, facts.counts[table] ?? null] as const)),
    ),
  ]
}

/** How old the restored data is: what a disaster now would cost. `takenAt`: ISO 8601. Pure. */
export const judgeAge = (component: Named, takenAt: string, now: Date, limit: Milliseconds): Check =>
  objective(component, 'backup-age', now.getTime() - Date.parse(takenAt), limit)

export const judgeDuration = (component: Named, duration: Milliseconds, limit: Milliseconds): Check =>
  objective(component, 'restore-time', duration, limit)

function objective(component: Named, id: string, value: Milliseconds, limit: Milliseconds): Check {
  const outcome: Outcome = value <= limit ? 'pass' : 'objective-missed'
  return {
    id,
    component: component.name,
    outcome: Number.isNaN(value) ? 'inconclusive' : outcome,
    expected: `at most ${readableDuration(limit)}`,
    found: Number.isNaN(value) ? 'unknown' : readableDuration(Math.max(0, value)),
  }
}

const checkOf =
  (component: Named) =>
  (id: string, good: boolean, expected: string, found: string): Check => ({
    id,
    component: component.name,
    outcome: good ? 'pass' : 'fail',
    expected,
    found,
  })
