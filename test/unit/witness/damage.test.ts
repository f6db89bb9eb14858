import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { asStandbyError, inputError } from '../../../src/errors/standby-error.ts'
import { readEarlierMove } from '../../../src/evidence/earlier-move.ts'
import { decodeRecord, recordText } from '../../../src/evidence/keep-evidence.ts'
import { learnFrom } from '../../../src/evidence/learn-durations.ts'
import { readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { status } from '../../../src/operations/status.ts'
import { evidenceText } from '../../../src/reporting/evidence-text.ts'
import { htmlRun } from '../../../src/reporting/html-run.ts'
import { isObject, type Json, type JsonObject } from '../../../src/values/json.ts'
import { decode } from '../../../src/witness/decode.ts'
import {
  activeDocument,
  lockDocument,
  nonceDocument,
  planDocument,
  restoreTestDocument,
} from '../../../src/witness/documents.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { readLock } from '../../../src/witness/lock.ts'
import { recordsIn } from '../../../src/witness/records-in-store.ts'
import { readWitness } from '../../../src/witness/view.ts'
import { exampleRecords } from '../../support/example-evidence.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { rounds } from '../../support/rounds.ts'
import { soundPlan } from '../../support/sound-plan.ts'
import { continueToy, deployedToy, toyApproval, toyWorld } from '../../support/toy-stack.ts'

type Path = readonly (string | number)[]
function placesIn(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, part]) =>
      placesIn(part as Json, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ]
}
/** A copy with what is at a place replaced, or removed (undefined). */
function bentAt(value: Json, [first, ...rest]: Path, now: Json | undefined): Json | undefined {
  if (first === undefined) return now
  if (Array.isArray(value))
    return value.flatMap((part: Json, index) => (index === first ? (bentAt(part, rest, now) ?? []) : [part])) as Json
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]) => {
      const bent = key === String(first) ? bentAt(part, rest, now) : part
      return bent === undefined ? [] : [[key, bent]]
    }),
  )
}
const ODD: readonly (Json | undefined)[] = [
  undefined,
  null,
  true,
  'false',
  '',
  'seven',
  '1',
  '../../etc',
  'a\u001b[2Jb',
  '2026-11-24',
  -5,
  0,
  1.5,
  2 ** 53 - 1,
  Number.POSITIVE_INFINITY,
  [],
  {},
  [null],
]

const ACTIVE = { schemaVersion: 1, stack: 'toy', epoch: 3, activeSite: 'dc-a', since: '2026-11-24T20:00:00Z', run: 'r' }
const LOCK = {
  ...{ schemaVersion: 1, stack: 'toy', epoch: 3, holder: 'r#1', purpose: 'move: switchover from dc-a to dc-b' },
  ...{ takenAt: '2026-11-24T20:00:00Z', expiresAt: '2026-11-24T20:01:00Z', released: true },
}
const sound = {
  active: [activeDocument, 'witness.schema.json#/$defs/active', ACTIVE],
  lock: [lockDocument, 'witness.schema.json#/$defs/lock', LOCK],
  nonce: [nonceDocument, 'witness.schema.json#/$defs/nonce', { schemaVersion: 1, plan: 'p', run: 'r' }],
  plan: [planDocument, 'plan.schema.json', soundPlan({}) as unknown as Json],
  'restore test': [
    restoreTestDocument,
    'witness.schema.json#/$defs/restoreTest',
    { schemaVersion: 1, at: '2026-11-24T20:00:00Z', verdict: 'restorable', provenRpo: 1, provenRto: null },
  ],
} as const

describe.each(Object.entries(sound))('%s', (_, [kind, schema, example]) => {
  test('as it is written is sound; bent at any key it is what an independent validator says, with its place', () => {
    expect(decode(kind as never, 'key', example, 'toy')).toMatchObject({ kind: 'sound' })
    let damaged = 0
    for (const place of placesIn(example as Json))
      for (const odd of ODD) {
        const bent = bentAt(example as Json, place, odd)
        const found = decode(kind as never, 'key', bent, null)
        const theirs = schemaErrors(schema, bent)
        // What JSON cannot say, theirs does not look for: an infinite number, a later version, a date without a time.
        if (theirs.length > 0)
          expect({ place, odd, found }).toMatchObject({
            found: { kind: 'damaged', key: 'key', path: expect.stringMatching(/^\$/) },
          })
        if (found.kind === 'damaged') damaged++
        else expect({ place, odd, theirs }).toEqual({ place, odd, theirs: [] })
      }
    expect(damaged).toBeGreaterThan(20)
  })

  test('that is any JSON at all is sound or damaged, and never more than that', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(['sound', 'damaged']).toContain(decode(kind as never, 'key', value, 'toy').kind)
      }),
    )
  })
})

test('what must not be misread is refused with its reason: a later format, another stack, an endless nesting', () => {
  const read = (more: JsonObject) => decode(activeDocument, 'active.json', { ...ACTIVE, ...more }, 'toy')
  expect(read({ schemaVersion: 2 })).toMatchObject({
    kind: 'damaged',
    path: '$.schemaVersion',
    next: expect.stringContaining('version of Standby'),
  })
  expect(read({ stack: 'other' })).toMatchObject({ kind: 'damaged', path: '$.stack' })
  expect(read({ added: { by: 'a later version' } })).toMatchObject({
    kind: 'sound',
    record: { added: { by: 'a later version' } },
  })
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as Json
  expect(read({ added: deep })).toMatchObject({ kind: 'damaged', what: expect.stringContaining('nested') })
})

const records = exampleRecords().map(({ body }) => JSON.parse(recordText(body)) as JsonObject)

describe('a record of the evidence', () => {
  test('bent at any key is damaged, or can be shown everywhere', () => {
    let [damaged, shown] = [0, 0]
    for (const record of records)
      for (const place of placesIn(record))
        for (const odd of [undefined, null, 'x', -5, [], {}, [null]]) {
          const found = decodeRecord('00000001.json', JSON.stringify(bentAt(record, place, odd) ?? null), null)
          if (found.kind === 'damaged') damaged++
          else {
            evidenceText('00000001.json', found.record)
            htmlRun([{ file: '00000001.json', body: found.record }])
            shown++
          }
        }
    expect(damaged).toBeGreaterThan(500)
    expect(shown).toBeGreaterThan(100)
  })

  test('of 33 bytes, or of any text, teaches nothing, and holds up no plan', async () => {
    const { toy, store } = await deployedToy()
    const texts = fc.oneof(
      fc.constant('{"schemaVersion":2,"kind":"move"}'),
      fc.string(),
      fc.json(),
      fc.constantFrom(...records.map((one) => JSON.stringify(one))),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 4 }), async (some) => {
        store.texts.clear()
        for (const [index, text] of some.entries())
          store.texts.set(`evidence/${String(index + 1).padStart(8, '0')}.json`, text)
        await learnFrom(store)
        await readEarlierMove(store, { run: 'x', site: 'dc-a' })
        expect((await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })).plan.findings).toEqual([])
      }),
      { numRuns: rounds(60) },
    )
  })
})

/** The answer of any operation about a witness: a declared code. */
async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'fine'
  } catch (error) {
    return asStandbyError(error).code
  }
}
const put = (store: MemoryStore, key: string, body: Json): void => {
  store.documents.set(key, { body: body as JsonObject, version: 'by-hand' })
}
const anything = (example: JsonObject): fc.Arbitrary<Json> =>
  fc.oneof(
    fc.jsonValue() as fc.Arbitrary<Json>,
    fc
      .tuple(fc.constantFrom(...placesIn(example)), fc.constantFrom(...ODD))
      .map(([place, odd]) => bentAt(example, place, odd) ?? null),
  )

describe('a witness with rubbish in it', () => {
  test('is never an internal error: it is planned on when it is sound, and never written over when it is not', async () => {
    await fc.assert(
      fc.asyncProperty(anything({ ...ACTIVE, epoch: 1 }), fc.option(anything(LOCK)), async (active, lock) => {
        const { toy, store } = await deployedToy()
        put(store, 'active.json', active)
        if (lock !== null) put(store, 'lock.json', lock)
        const world = toyWorld(toy, store)
        const soundOnes = decode(activeDocument, 'active.json', active, null).kind === 'sound'
        expect(await codeOf(() => status(world))).toBe('fine')
        const code = await codeOf(async () => {
          const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
          await executeFailover(world, plan, toyApproval(digest))
        })
        expect(code).not.toBe('internal-error')
        if (!soundOnes) expect(code).toBe('witness-damaged')
        if (!soundOnes) expect(store.documents.get('active.json')?.version).toBe('by-hand')
      }),
      { numRuns: rounds(150) },
    )
  })

  test('says in its status what is damaged, where, and what to do', async () => {
    const { toy, store } = await deployedToy()
    put(store, 'active.json', { ...ACTIVE, epoch: 'seven' })
    const report = await status(toyWorld(toy, store))
    expect(report).toMatchObject({ verdict: 'broken', activeSite: null })
    expect(report.findings).toContainEqual(
      expect.objectContaining({
        code: 'witness-damaged',
        severity: 'blocker',
        what: expect.stringContaining('$.epoch must be a whole number, is "seven"'),
      }),
    )
  })

  test('a lock whose release is the word "false" is no released one: a command that needs it is refused, and reads go on', async () => {
    const { toy, store } = await deployedToy()
    put(store, 'lock.json', { ...LOCK, released: 'false' })
    expect(await codeOf(() => readLock(store))).toBe('witness-damaged')
    expect(await readWitness(store)).toMatchObject({
      kind: 'answering',
      active: { activeSite: 'dc-a' },
      damagedLock: { path: '$.released' },
    })
    const { plan } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
    expect(plan.findings).toContainEqual(expect.objectContaining({ code: 'witness-damaged', severity: 'blocker' }))
  })

  test('a run whose plan, approval or journal is damaged is not continued, and holds up no other', async () => {
    // Only a process that continues with an approval reads it: the run, which has ended, is known anyway.
    for (const [key, said] of Object.entries({
      'plan.json': 'witness-damaged',
      'approval.json': 'run-ended',
      'journal/000001.json': 'witness-damaged',
      'journal/zzz.json': 'witness-damaged',
    })) {
      const { toy, store } = await deployedToy()
      const first = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
      const { run } = await executeFailover(toyWorld(toy, store), first.plan, toyApproval(first.digest))
      put(store, `runs/${run}/${key}`, { schemaVersion: 1, entry: { kind: 'result' } })
      const again = toyWorld(toy, store)
      const code = await codeOf(async () => {
        const report = await continueToy(again, run, 'resume')
        if (report.failure !== null) throw inputError(report.failure.code, report.failure.what)
      })
      expect({ key, code }).toEqual({ key, code: said })
      const back = await planFailover(again, { mode: 'switchover', to: 'dc-a' })
      expect(await executeFailover(again, back.plan, toyApproval(back.digest))).toMatchObject({ verdict: 'moved' })
    }
  })

  test('a name of a run that leads out of its folder is no run', async () => {
    const { toy, store } = await deployedToy()
    for (const run of ['../evidence', 'a/../../b', '..', '', 'x\ny', 'x'.repeat(200)])
      expect(await codeOf(() => readRun(toyWorld(toy, store), run))).toBe('run-unknown')
    await expect(openJournal(store, '../evidence')).rejects.toThrow('no name')
  })

  test('a record that cannot be read is passed over for the one before it, and is no proof that there is none', async () => {
    const { store } = await deployedToy()
    const warnings: string[] = []
    const from = recordsIn(store, { warning: (line) => void warnings.push(line) })
    const newest = () => from.newest('restore-tests', 'dc-a/', restoreTestDocument)
    expect(await newest()).toBeNull()
    put(store, 'records/restore-tests/dc-a/2.json', { at: 7 })
    await expect(newest()).rejects.toMatchObject({ code: 'witness-damaged' })
    put(store, 'records/restore-tests/dc-a/1.json', sound['restore test'][2])
    expect(await newest()).toMatchObject({ name: 'dc-a/1' })
    expect(warnings.at(-1)).toContain('records/restore-tests/dc-a/2.json')
    put(store, 'records/forks/dc-a/2.json', { at: 7 })
    put(store, 'records/forks/dc-a/1.json', sound['restore test'][2])
    await expect(from.newest('forks', 'dc-a/', restoreTestDocument)).rejects.toMatchObject({ code: 'witness-damaged' })
  })

  test('a damaged fork that decides nothing is passed over', async () => {
    const { store } = await deployedToy()
    const from = recordsIn(store, { warning: () => undefined })
    const meant = () => true
    const newest = (decides: (name: string) => boolean) =>
      from.newest('forks', 'database/', restoreTestDocument, meant, decides)
    put(store, 'records/forks/database/g2/2.json', { at: 7 })
    expect(await newest(() => false)).toBeNull()
    put(store, 'records/forks/database/g1/1.json', sound['restore test'][2])
    expect(await newest(() => false)).toMatchObject({ name: 'database/g1/1' })
    await expect(newest((name) => name.startsWith('database/g2/'))).rejects.toMatchObject({ code: 'witness-damaged' })
  })

  test('the newest record is the one of the latest time, whatever its folder is called', async () => {
    const { store } = await deployedToy()
    const from = recordsIn(store, { warning: () => undefined })
    for (let day = 10; day < 50; day++) put(store, `records/forks/database/z/${day}.json`, sound['restore test'][2])
    put(store, 'records/forks/database/a/90.json', sound['restore test'][2])
    expect(await from.newest('forks', 'database/', restoreTestDocument)).toMatchObject({ name: 'database/a/90' })
  })
})
