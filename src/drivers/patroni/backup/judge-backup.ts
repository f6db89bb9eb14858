import type { Check } from '../../../domain/restore-test.ts'
import type { Component } from '../../../domain/stack.ts'
import type { Manifest } from '../../../systems/postgres/restore-manifest.ts'
import type { Fork } from '../../../systems/postgres/timeline-history.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import type { ArchivedFile, Stanza, StoredBackup } from './repository.ts'

type Named = Pick<Component, 'name'>

/** Whether the newest backup of the stanza is at least the one that was written down last. Pure. */
export function judgeNewest(component: Named, { backups }: Stanza, manifest: Manifest | null): Check[] {
  const newest = backups.at(-1)
  if (newest === undefined || manifest === null) return []
  const good = takenAtIn(newest.label) >= takenAtIn(manifest.backupId)
  return [
    {
      ...checkOf(component, 'newest-backup', good),
      expected: `${manifest.backupId} or a newer one`,
      found: newest.label,
    },
  ]
}
/** A label ends with its own time: `20261130-121313F`, `20261130-121313F_20261130-131313I`. */
const takenAtIn = (label: string): string => label.slice(-16, -1)

/** Pages whose checksum was wrong when the backup was taken. Pure. */
export const judgePages = (component: Named, { label, hasDamage }: StoredBackup): Check => ({
  ...checkOf(component, 'page-checksums', !hasDamage),
  expected: 'a backup without damaged pages',
  found: hasDamage ? `${label} has some` : 'none',
})

/** The content of the segments against the checksums in their names. `fetched`: SHA-1 by name. Pure. */
export function judgeSegments(
  component: Named,
  wanted: readonly ArchivedFile[],
  fetched: ReadonlyMap<string, string>,
): Check {
  const wrong = wanted.filter(({ name, sha1 }) => (sha1 === null ? !fetched.has(name) : fetched.get(name) !== sha1))
  const names = wrong.slice(0, 5).map(({ name }) => `${name}${fetched.has(name) ? '' : ' (not to be had)'}`)
  return {
    ...checkOf(component, 'wal-unchanged', wrong.length === 0),
    expected: `${wanted.length} files as they were archived`,
    found: wrong.length === 0 ? 'the same' : names.join(', '),
  }
}

/** The history of a database that serves: its timeline, and where it left those before. */
export interface ServedHistory {
  readonly timeline: number
  readonly forks: readonly Fork[]
}

/**
 * Whether the copy came to its end on the history that users are served, and not on one that a failover cut off.
 * `forks`: of the copy; the last one is where it left the archive. `served`: null where the source does not answer;
 * then only the timeline of the manifest is known. Pure.
 */
export function judgeHistory(
  component: Named,
  forks: readonly Fork[],
  served: ServedHistory | null,
  manifest: Pick<Manifest, 'timeline'> | null,
): Check {
  const end = forks.at(-1)
  const found = end === undefined ? 'no history' : `timeline ${end.timeline} up to ${end.at}`
  const of = (outcome: Check['outcome'], expected: string, more = ''): Check => ({
    id: 'same-history',
    component: component.name,
    outcome,
    expected,
    found: found + more,
  })
  if (end === undefined) return of('inconclusive', 'a history')
  if (served === null) {
    if (manifest === null) return of('inconclusive', 'the history of a server that answers, or a manifest')
    const expected = `timeline ${manifest.timeline} (of the manifest)`
    if (end.timeline > manifest.timeline) return of('inconclusive', expected)
    return of(end.timeline === manifest.timeline ? 'pass' : 'fail', expected)
  }
  const expected = `the history of timeline ${served.timeline}`
  const parted = forks.slice(0, -1).find((fork) => !served.forks.some((one) => isSame(one, fork)))
  if (parted !== undefined) return of('fail', expected, `, which left timeline ${parted.timeline} at ${parted.at}`)
  if (end.timeline === served.timeline) return of('pass', expected)
  const left = served.forks.find(({ timeline }) => timeline === end.timeline)
  if (left === undefined) return of('fail', expected)
  // It may end before the served history left this timeline: whether it ends too early is another question.
  return of((parseLsn(end.at) ?? 0n) <= (parseLsn(left.at) ?? 0n) ? 'pass' : 'fail', expected)
}
const isSame = (one: Fork, other: Fork): boolean =>
  one.timeline === other.timeline && parseLsn(one.at) === parseLsn(other.at)

export const checkOf = ({ name }: Named, id: string, good: boolean): Pick<Check, 'id' | 'component' | 'outcome'> => ({
  id,
  component: name,
  outcome: good ? 'pass' : 'fail',
})
