import { describe, expect, test } from '@jest/globals'
import type { MoveRun } from '../../../src/execution/execute-move.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { type JournalEntry, openJournal } from '../../../src/witness/journal.ts'
import { COPY, FENCE, fencedMove, resultOf } from '../../support/fenced-move.ts'

type Move = Awaited<ReturnType<typeof fencedMove>>

/** Removes the entries from the first of these on, which only a person with the keys of the bucket can do. */
async function cut(at: Move, from: (entry: JournalEntry) => boolean): Promise<void> {
  const entries = await at.journal()
  const first = entries.findIndex(from)
  expect(first).toBeGreaterThan(-1)
  for (const index of entries.keys())
    if (index >= first) at.store.documents.delete(`runs/r1/journal/${String(index + 1).padStart(6, '0')}.json`)
}
const intentOf = (step: string) => (entry: JournalEntry) => entry.kind === 'intent' && entry.step === step
const FENCE_INTENT = intentOf('database.fence@dc-a')

describe('a journal whose newest entries are gone costs steps that are done again, and no promise', () => {
  test('an abort opens the fence that is on record no more', async () => {
    const at = await fencedMove()
    await at.dieAfter(COPY)
    await cut(at, FENCE_INTENT)
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect(at.sites.fenced).toBe(false)
  })

  test('a resume that fails opens it as well: the fence does not count as shut before the run began', async () => {
    const at = await fencedMove()
    await at.dieAfter(FENCE)
    await cut(at, FENCE_INTENT)
    const { copy } = at.driver.behaviours
    Object.assign(copy ?? {}, { done: async () => ({ is: 'failed', code: 'archive-silent', why: 'it is full' }) })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'undone', failure: { code: 'archive-silent' } })
    expect(at.effects).toEqual(['fence', 'unfence'])
  })

  test('a journal that claims that a fence was opened again is not believed', async () => {
    const at = await fencedMove()
    await at.dieAfter(COPY)
    const journal = await openJournal(at.store, 'r1')
    await journal.append({ kind: 'turned-back', at: new Date().toISOString() })
    await journal.append({ kind: 'undone', at: new Date().toISOString(), step: 'database.fence@dc-a', proof: {} })
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect(at.sites.fenced).toBe(false)
  })

  test('the promotion that is not on record any more is seen, and not tried again', async () => {
    const at = await fencedMove()
    await at.dieAfter(resultOf('database.promote@dc-b'))
    await cut(at, intentOf('database.promote@dc-b'))
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test('a process that began the run itself takes back only what it did', async () => {
    const at = await fencedMove()
    const { fence } = at.driver.behaviours
    Object.assign(fence ?? {}, {
      apply: () => Promise.reject(Object.assign(new Error('refused'), { code: 'refused' })),
    })
    at.sites.fenced = true
    const { copy } = at.driver.behaviours
    Object.assign(copy ?? {}, { done: async () => ({ is: 'failed', code: 'archive-silent', why: 'it is full' }) })
    expect(await at.perform('begin')).toMatchObject({ verdict: 'undone' })
    expect(at.effects).toEqual([])
  })

  test.each([
    ['the lock', 'resume', resultOf('witness.lock'), intentOf('witness.lock')],
    ['the lock', 'abort', FENCE, intentOf('witness.lock')],
    ['the point of no return', 'resume', resultOf('database.promote@dc-b'), intentOf('witness.activate@dc-b')],
    ['the point of no return', 'abort', resultOf('database.promote@dc-b'), intentOf('witness.activate@dc-b')],
  ] as const)(
    'one that lacks %s, which the witness knows of, is damaged: %s is refused before anything is written',
    async (_, how: MoveRun['how'], until, from) => {
      const at = await fencedMove()
      await at.dieAfter(until)
      await cut(at, from)
      const before = [...at.effects]
      const [entries, active] = [await at.journal(), await at.store.get('active.json')]
      await expect(at.perform(how)).rejects.toMatchObject({
        code: 'witness-damaged',
        message: expect.stringContaining('newest entries'),
      })
      expect(at.effects).toEqual(before)
      expect(await at.journal()).toEqual(entries)
      expect(await at.store.get('active.json')).toEqual(active)
    },
  )

  test('one that lacks the process that holds the lock is damaged', async () => {
    const at = await fencedMove()
    await at.dieAfter(resultOf('witness.lock'))
    Object.assign(at.driver.behaviours.copy ?? {}, {
      done: async () => ({ is: 'failed', code: 'archive-silent', why: 'full' }),
    })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'undone' })
    await cut(at, (entry) => entry.kind === 'begun' && entry.attempt > 1)
    await expect(at.perform('resume')).rejects.toMatchObject({ code: 'witness-damaged' })
  })
})

describe('a lock that a deployer has written into the name of a run blocks no other run', () => {
  const begunOf = (entries: readonly JournalEntry[]) =>
    entries.flatMap((entry) => (entry.kind === 'begun' ? [entry.attempt] : []))
  const written = async (at: Move, attempt: number): Promise<void> => {
    const lock = await at.store.get('lock.json')
    if (lock === null) throw new Error('there is no lock')
    await at.store.replace(
      'lock.json',
      { ...(lock.body as JsonObject), holder: `r1#${attempt}`, released: true },
      lock.version,
    )
  }

  test.each([
    ['resume', 'moved', 99],
    ['abort', 'undone', 99],
    ['resume', 'moved', Number.MAX_SAFE_INTEGER],
    ['abort', 'undone', 2],
  ] as const)('%s ends as %s, whatever process the lock names (%i)', async (how, verdict, attempt) => {
    const at = await fencedMove()
    await at.dieAfter(COPY)
    await written(at, attempt)
    expect(await at.perform(how)).toMatchObject({ verdict, failure: null })
  })

  test('no process takes the name that the lock holds already: another one could not be distinguished from it', async () => {
    const at = await fencedMove()
    await at.dieAfter(FENCE)
    await written(at, 2)
    const { fence, copy } = at.driver.behaviours
    Object.assign(copy ?? {}, { done: async () => ({ is: 'failed', code: 'archive-silent', why: 'it is full' }) })
    Object.assign(fence ?? {}, { undone: async () => ({ is: 'failed', code: 'archive-silent', why: 'it is full' }) })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'stopped' })
    expect(begunOf(await at.journal())).toEqual([1, 3])
    await at.perform('resume')
    expect(begunOf(await at.journal())).toEqual([1, 3, 4])
  })
})
