import type { Check } from '../../domain/restore-test.ts'
import type { Component } from '../../domain/stack.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import type { CataloguedDump } from './catalogue.ts'
import { databasesOf, type HeldKeys, keysInWords, type LoadedKeys, missingOf } from './count-keys.ts'

/*
 * The checks of a restore test that every kind of Redis has. All are pure.
 */

type Judged = Pick<Component, 'name'>

export const checkOf =
  ({ name }: Judged) =>
  (id: string, good: boolean, expected: string, found: string): Check => ({
    id,
    component: name,
    outcome: good ? 'pass' : 'fail',
    expected,
    found,
  })

/** What the store has of a dump, against what its description says. */
export const judgeSize = (component: Judged, { bytes, storedBytes }: CataloguedDump): Check =>
  checkOf(component)(
    'dump-size',
    storedBytes === bytes,
    `${bytes} bytes`,
    storedBytes === null ? 'no dump beside its description' : `${storedBytes} bytes`,
  )

/** `failure`: why the dump does not load; null: it is loaded. */
export const judgeLoading = (component: Judged, failure: string | null): Check =>
  checkOf(component)('restores', failure === null, 'the dump to load', failure ?? 'loaded')

/** `takenAt`: ISO 8601, when what was restored was current. */
export function judgeAge(component: Judged, takenAt: string, now: Date, limit: Milliseconds): Check {
  const age = now.getTime() - Date.parse(takenAt)
  const good = age <= limit
  return {
    ...checkOf(component)('backup-age', good, `at most ${readableDuration(limit)}`, readableDuration(Math.max(0, age))),
    outcome: good ? 'pass' : 'objective-missed',
  }
}

/**
 * Keys that expire between dump and test are rightly gone, and Redis counts them: without that count most dumps of a
 * queue would look broken.
 */
export function judgeKeys(component: Judged, held: HeldKeys, loaded: LoadedKeys): Check {
  const missing = missingOf(held, loaded)
  const found = `${keysInWords(loaded.keys, loaded.databases)}, ${loaded.expired} expired since the dump`
  const already = held.expired === 0 ? '' : `, less ${held.expired} that had expired`
  return checkOf(component)(
    'key-count',
    missing.length === 0,
    `${keysInWords(held.keys, databasesOf(held))}${already}`,
    missing.length === 0 ? found : `${found}: ${missing.join('; ')}`,
  )
}
