import { describe, expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { DeployUnit } from '../../../src/driver/deployment.ts'
import type { AnyReasonCode } from '../../../src/errors/reason-codes.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { followingJournal } from '../../../src/execution/following-journal.ts'
import { backUp } from '../../../src/operations/back-up.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import type { JournalEntry } from '../../../src/witness/journal.ts'
import { readLock } from '../../../src/witness/lock.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { deployedToy, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

/** What a witness does from some moment on. */
interface Trouble {
  readonly name: string
  readonly happens: () => Promise<void>
  /** Whether what was asked happens all the same, afterwards. */
  readonly arrives?: true
  /** Whether each write is only late. */
  readonly passes?: true
}
const refusing = (code: AnyReasonCode, what: string, retry: 'transient' | 'never') => async () => {
  throw siteError(code, what, { retry })
}
const TROUBLES: readonly Trouble[] = [
  { name: 'silent', happens: refusing('witness-unreachable', 'no answer', 'transient') },
  {
    name: 'silent after it has written',
    happens: refusing('witness-unreachable', 'no answer', 'transient'),
    arrives: true,
  },
  { name: 'denied', happens: refusing('witness-denied', 'access denied', 'never') },
  { name: 'full', happens: refusing('internal-error', '507 Insufficient Storage', 'never') },
  { name: 'throttled', happens: refusing('witness-throttled', '503 Slow Down', 'transient') },
  { name: 'slow', happens: () => new Promise((resolve) => setTimeout(resolve, 40)), passes: true },
]

/** A store that is in trouble for writes that are meant, from the nth of them on; reads as well where all are meant. */
function troubled(store: ConditionalStore, trouble: Trouble, from: number, meant: (key: string) => boolean) {
  let count = 0
  const during = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    if (!meant(key)) return work()
    count += 1
    if (count < from) return work()
    if (trouble.arrives === true) await work().catch(() => undefined)
    await trouble.happens()
    return work()
  }
  return {
    ...store,
    create: (key: string, body: Parameters<ConditionalStore['create']>[1]) =>
      during(key, () => store.create(key, body)),
  }
}

function worldOf(units: readonly DeployUnit[], store: ConditionalStore, toy: Parameters<typeof toyWorld>[0]) {
  const driver: FlatDriver = {
    ...toyDriver(toy),
    ...(units.length === 0 ? {} : { scope: 'stack' as const }),
    deploy: async ({ name }) => (name === 'database' ? [...units] : []),
    backup: ({ name }) => (name === 'database' ? [toyStep('database.note@dc-a', 'PREPARE')] : []),
  }
  const warnings: string[] = []
  const log = { info: () => undefined, debug: () => undefined, warning: (line: string) => void warnings.push(line) }
  const made = toyWorld(toy, store, { driver })
  const world: World = { ...made, log, context: { ...made.context, log } }
  return { world, warnings }
}

/** Two units, one after the other. */
function twoUnits(after: (id: string) => void = () => undefined) {
  const there: string[] = []
  const unit = (id: string, needs: string[]): DeployUnit => ({
    id,
    site: null,
    title: id,
    needs,
    deadline: 60_000,
    diff: async () => (there.includes(id) ? [] : [{ kind: 'create', object: id }]),
    async apply() {
      there.push(id)
      after(id)
    },
    ready: async () => ({ is: 'done', proof: {} }),
  })
  return { there, units: [unit('a', []), unit('b', ['a'])] }
}

const entriesOf = (store: MemoryStore): string[] =>
  [...store.documents]
    .filter(([key]) => key.includes('/journal/'))
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([, { body }]) => (body as unknown as { entry: JournalEntry }).entry.kind)
const ALL = ['begun', 'intent', 'result', 'intent', 'result', 'ended']

describe.each(TROUBLES)('a deploy whose witness is $name from one entry of its journal on', (trouble) => {
  test.each([1, 2, 3, 4, 5, 6])('entry %i: applies all, reports it, and gives its lock back', async (from) => {
    const { toy, store } = await deployedToy()
    const { there, units } = twoUnits()
    const { world, warnings } = worldOf(
      units,
      troubled(store, trouble, from, (key) => key.startsWith('deploys/')),
      toy,
    )
    const report = await deploy(world, { dryRun: false, only: [] })
    expect(report).toMatchObject({ failure: null, verdict: 'changed' })
    expect(report.units.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(['a applied', 'b applied'])
    expect(there).toEqual(['a', 'b'])
    expect((await readLock(store))?.record.released).toBe(true)
    const written = from - 1 + (trouble.arrives === true ? 1 : 0)
    expect(entriesOf(store)).toEqual(trouble.passes === true ? ALL : ALL.slice(0, written))
    const journal = warnings.filter((line) => line.includes('the journal of this deploy cannot be written'))
    expect(journal).toHaveLength(trouble.passes === true ? 0 : 1)
  })
})

test('a backup whose witness takes no entry of its journal is made and reported', async () => {
  for (const trouble of TROUBLES) {
    const { toy, store } = await deployedToy()
    const { world } = worldOf(
      [],
      troubled(store, trouble, 1, (key) => key.startsWith('runs/')),
      toy,
    )
    const report = await backUp(world)
    expect([trouble.name, report.failure, report.steps.map(({ outcome }) => outcome)]).toEqual([
      trouble.name,
      null,
      ['done'],
    ])
  }
})

/** A witness that falls silent on request. */
function falling(store: MemoryStore) {
  let silent = false
  const answers = async <T>(work: () => Promise<T>): Promise<T> => {
    if (silent) throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
    return work()
  }
  return {
    fall: () => {
      silent = true
    },
    store: {
      ...store,
      get: (key: string) => answers(() => store.get(key)),
      list: (prefix: string) => answers(() => store.list(prefix)),
      create: (...of: Parameters<ConditionalStore['create']>) => answers(() => store.create(...of)),
      replace: (...of: Parameters<ConditionalStore['replace']>) => answers(() => store.replace(...of)),
    } satisfies ConditionalStore,
  }
}

test('a deploy whose witness falls silent begins no effect without its lock, and reports what it has done', async () => {
  const { toy, store } = await deployedToy()
  const witness = falling(store)
  const { there, units } = twoUnits(witness.fall)
  const { world, warnings } = worldOf(units, witness.store, toy)
  const report = await deploy(world, { dryRun: false, only: [] })
  expect(report.units.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(['a applied', 'b failed'])
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'witness-unreachable' } })
  expect(there).toEqual(['a'])
  expect(warnings).toContainEqual(expect.stringContaining('the lock could not be given back, and ends by itself'))
})

test('a deploy that does not get its lock from a silent witness begins nothing', async () => {
  const { toy, store } = await deployedToy()
  const witness = falling(store)
  const { there, units } = twoUnits()
  const silenced = units.map((unit) => ({
    ...unit,
    diff: async (...of: Parameters<DeployUnit['diff']>) => {
      witness.fall()
      return unit.diff(...of)
    },
  }))
  const { world } = worldOf(silenced, witness.store, toy)
  await expect(deploy(world, { dryRun: false, only: [] })).rejects.toMatchObject({ code: 'witness-unreachable' })
  expect(there).toEqual([])
})

describe('a journal that follows its run', () => {
  const at = new Date(0).toISOString()
  const entry = (step: string): JournalEntry => ({ kind: 'intent', at, step })

  test('holds it up once, and is complete and in order in the end', async () => {
    const written: string[] = []
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const warnings: string[] = []
    const journal = followingJournal(
      {
        async append(one) {
          await gate
          written.push((one as { readonly step: string }).step)
        },
        refuseContinuedElsewhere: async () => undefined,
      },
      {
        log: { info: () => undefined, debug: () => undefined, warning: (line) => void warnings.push(line) },
        warning: 'no journal',
        continuedElsewhere: () => undefined,
        patience: 30,
        signal: new AbortController().signal,
      },
    )
    const begun = performance.now()
    for (const step of ['a', 'b', 'c', 'd']) await journal.append(entry(step))
    const heldUp = performance.now() - begun
    expect(heldUp).toBeGreaterThanOrEqual(25)
    expect(written).toEqual([])
    release()
    await journal.settle(5_000)
    expect(written).toEqual(['a', 'b', 'c', 'd'])
    expect(warnings).toEqual([])
  })

  test('holds up no run that is cancelled', async () => {
    const cancelling = new AbortController()
    const journal = followingJournal(
      { append: () => new Promise(() => undefined), refuseContinuedElsewhere: async () => undefined },
      {
        log: { info: () => undefined, debug: () => undefined, warning: () => undefined },
        warning: 'no journal',
        continuedElsewhere: () => undefined,
        patience: 60_000,
        signal: cancelling.signal,
      },
    )
    setTimeout(() => cancelling.abort(), 20)
    const took = awakeClock()
    await journal.append(entry('a'))
    await journal.append(entry('b'))
    expect(took()).toBeLessThan(10_000)
  })

  test('ends the run when another process has written to it', async () => {
    const ends: string[] = []
    const journal = followingJournal(
      {
        append: async () => {
          throw siteError('run-continued-elsewhere', 'another process goes on')
        },
        refuseContinuedElsewhere: async () => undefined,
      },
      {
        log: { info: () => undefined, debug: () => undefined, warning: () => undefined },
        warning: 'no journal',
        continuedElsewhere: ({ code }) => void ends.push(code),
        signal: new AbortController().signal,
      },
    )
    await journal.append(entry('a'))
    await journal.append(entry('b'))
    expect(ends).toEqual(['run-continued-elsewhere'])
  })
})
