import { readableDuration } from '../../duration.ts'
import type { DriverContext } from '../../planning/driver.ts'
import type { Check } from '../../verification/restore-test.ts'
import type { Manifest } from './backup.ts'
import type { CataloguedBackup } from './catalogue.ts'
import type { RestoredFacts } from './restore-test.ts'
import type { Database } from './spec.ts'
import { parseLsn } from './wal.ts'

type Outcome = Check['outcome']

/** What can be said from the bucket alone, before anything is restored. Pure. */
export function judgeCatalogue(
  component: Database,
  manifest: Manifest | null,
  backup: CataloguedBackup,
  holes: readonly string[],
): Check[] {
  const check = checkOf(component)
  const checks = [
    check(
      'wal-complete',
      holes.length === 0,
      'every WAL segment since the backup began',
      holes.length === 0 ? 'no hole' : `missing: ${holes.slice(0, 5).join(', ')}`,
    ),
  ]
  if (manifest === null)
    return [
      ...checks,
      { ...check('manifest', false, 'a manifest, written at backup time', 'none: run standby backup'), outcome: 'inconclusive' },
    ]
  if (manifest.backupId === backup.id && manifest.bytes !== null)
    checks.push(check('backup-size', manifest.bytes === backup.bytes, `${manifest.bytes} bytes`, `${backup.bytes} bytes`))
  return checks
}

/** What the restored data says. Pure. */
export function judgeRestored(component: Database, manifest: Manifest | null, facts: RestoredFacts): Check[] {
  const check = checkOf(component)
  const checks = [
    check('accepts-writes', !facts.inRecovery, 'a server that left recovery', facts.inRecovery ? 'still in recovery' : 'writable'),
    check('indexes-valid', facts.brokenIndexes === 0, 'no invalid index', `${facts.brokenIndexes} invalid`),
  ]
  const counted = Object.entries(facts.counts)
  if (counted.length > 0) {
    const rows = counted.reduce((sum, [, count]) => sum + (count ?? 0), 0)
    checks.push(check('not-empty', rows > 0, 'rows in the counted tables', `${rows} rows`))
  }
  if (manifest === null) return checks
  const [reached, needed] = [parseLsn(facts.lsn), parseLsn(manifest.lsn)]
  checks.push(
    check('same-database', facts.systemId === manifest.systemId, `system id ${manifest.systemId}`, facts.systemId),
    check('reaches-manifest', reached !== null && needed !== null && reached >= needed, `WAL up to ${manifest.lsn}`, facts.lsn),
    check(
      'extensions',
      manifest.extensions.every((extension) => facts.extensions.includes(extension)),
      manifest.extensions.join(', '),
      facts.extensions.join(', '),
    ),
  )
  const fewer = Object.entries(manifest.counts).filter(([table, count]) => (facts.counts[table] ?? -1) < count)
  const shown = (pairs: readonly (readonly [string, number | null])[]): string =>
    pairs.map(([table, count]) => `${table} ${count ?? 'missing'}`).join(', ')
  checks.push(
    check(
      'row-counts',
      fewer.length === 0,
      `at least ${shown(Object.entries(manifest.counts))}`,
      shown(Object.keys(manifest.counts).map((table) => [table, facts.counts[table] ?? null] as const)),
    ),
  )
  return checks
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
