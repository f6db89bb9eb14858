import type { Check } from '../../../domain/restore-test.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { CataloguedBackup } from '../../../systems/postgres/barman-archive.ts'
import { formatLsn, holesIn, newestSegment, parseLsn } from '../../../systems/postgres/wal.ts'
import { readableDuration } from '../../../values/duration.ts'
import type { Database } from '../spec.ts'
import type { Manifest } from './backup.ts'
import type { RestoredFacts } from './restored-facts.ts'

type Outcome = Check['outcome']

/** What a restored copy is held against. */
export interface Expected {
  readonly manifest: Manifest | null
  readonly backup: CataloguedBackup
  /** Names of all archived WAL. */
  readonly wal: readonly string[]
}

/** What can be said from the bucket alone. Pure. */
export function judgeCatalogue(component: Database, expected: Expected): Check[] {
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
  // barman goes on to call a cut data.tar DONE, and nobody re-reads it before it is needed.
  return manifest.backupId === backup.id && manifest.bytes !== null
    ? [
        complete,
        check('backup-size', manifest.bytes === backup.bytes, `${manifest.bytes} bytes`, `${backup.bytes} bytes`),
      ]
    : [complete]
}

function holdsAllWal(component: Database, { manifest, backup, wal }: Expected): Check {
  const what = `every WAL segment from ${backup.beginWal} on`
  const check = checkOf(component)
  if (backup.segmentBytes === null) {
    const found = `backup.info of ${backup.id} does not say how long the segments are (xlog_segment_size)`
    return { ...check('wal-complete', false, what, found), outcome: 'inconclusive' }
  }
  const holes = holesIn(wal, backup.beginWal, backup.segmentBytes)
  // A hole behind the backup's end restores "successfully", with all later rows missing (measured).
  const missing =
    manifest === null || manifest.segment === '' || wal.includes(manifest.segment)
      ? holes
      : [...holes, manifest.segment]
  const more = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  const found = missing.length === 0 ? 'no hole' : `missing: ${missing.slice(0, 5).join(', ')}${more}`
  return check('wal-complete', missing.length === 0, what, found)
}

/** What the restored data says. Pure. */
export function judgeRestored(component: Database, expected: Expected, facts: RestoredFacts): Check[] {
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
  const counted = Object.values(facts.counts)
  if (counted.length > 0) {
    const rows = counted.reduce<number>((sum, count) => sum + (count ?? 0), 0)
    checks.push(check('not-empty', rows > 0, 'rows in the counted tables', `${rows} rows`))
  }
  return manifest === null ? checks : [...checks, ...againstManifest(component, manifest, facts)]
}

/** A recovery ends without an error wherever its WAL ends: only the position tells. */
function reachesEnd(component: Database, { manifest, backup, wal }: Expected, facts: RestoredFacts): Check {
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
    reached === null ? 'nobody knows how far' : `WAL up to ${facts.recoveredTo}`,
  )
}

/** Rows may have been deleted since: then a fresh backup (`standby backup`) makes a fresh manifest. */
function againstManifest(component: Database, manifest: Manifest, facts: RestoredFacts): Check[] {
  const check = checkOf(component)
  const expected = Object.entries(manifest.counts).filter((entry): entry is [string, number] => entry[1] !== null)
  const fewer = expected.filter(([table, count]) => (facts.counts[table] ?? -1) < count)
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
      fewer.length === 0,
      `at least ${shown(expected)}`,
      shown(expected.map(([table]) => [table, facts.counts[table] ?? null] as const)),
    ),
  ]
}

/** How old the restored data is: what a disaster now would cost. */
export function judgeAge(component: Database, context: DriverContext, newest: string): Check {
  const age = context.clock.now().getTime() - Date.parse(newest)
  const limit = context.stack.objectives.backupAge
  return objective(component, 'backup-age', age, limit)
}

export function judgeDuration(component: Database, context: DriverContext, duration: number): Check {
  return objective(component, 'restore-time', duration, context.stack.objectives.restoreTime)
}

function objective(component: Database, id: string, value: number, limit: number): Check {
  const outcome: Outcome = Number.isNaN(value) ? 'inconclusive' : value <= limit ? 'pass' : 'objective-missed'
  return {
    id,
    component: component.name,
    outcome,
    expected: `at most ${readableDuration(limit)}`,
    found: Number.isNaN(value) ? 'unknown' : readableDuration(Math.max(0, value)),
  }
}

const checkOf =
  (component: Database) =>
  (id: string, good: boolean, expected: string, found: string): Check => ({
    id,
    component: component.name,
    outcome: good ? 'pass' : 'fail',
    expected,
    found,
  })
