import { describe, expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { DeployUnit } from '../../../src/driver/deployment.ts'
import { StandbyError, siteError } from '../../../src/errors/standby-error.ts'
import type { ProgressEvent } from '../../../src/execution/progress.ts'
import { backUp } from '../../../src/operations/back-up.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import { readActive } from '../../../src/witness/active.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import type { JournalEntry } from '../../../src/witness/journal.ts'
import { readLock } from '../../../src/witness/lock.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { type MemoryStore, memoryStore } from '../../support/memory-store.ts'
import { deployedToy, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

/** Units of a deploy in a toy world: what is applied is there from then on. */
interface Play {
  readonly there: Set<string>
  readonly happened: string[]
  unit(id: string, more?: Partial<DeployUnit>): DeployUnit
}
function play(): Play {
  const there = new Set<string>()
  const happened: string[] = []
  return {
    there,
    happened,
    unit: (id, more = {}) => ({
      id,
      site: null,
      title: `the unit ${id}`,
      needs: [],
      deadline: 60_000,
      diff: async () => (there.has(id) ? [] : [{ kind: 'create', object: id, to: 'value' }]),
      apply: async () => {
        happened.push(`apply ${id}`)
        there.add(id)
      },
      ready: async () => {
        happened.push(`ready ${id}`)
        return { is: 'done', proof: {} }
      },
      ...more,
    }),
  }
}

interface Heard {
  readonly lines: string[]
  readonly warnings: string[]
  readonly events: ProgressEvent[]
}

async function deploying(
  units: readonly DeployUnit[],
  more: {
    readonly store?: (store: MemoryStore) => ConditionalStore
    readonly signal?: AbortSignal
    readonly prepare?: (store: MemoryStore) => void
  } = {},
) {
  const { toy, store } = await deployedToy()
  more.prepare?.(store)
  const driver: FlatDriver = {
    ...toyDriver(toy),
    scope: 'stack',
    deploy: async ({ name }) => (name === 'database' ? [...units] : []),
  }
  const heard: Heard = { lines: [], warnings: [], events: [] }
  const log = {
    info: (line: string) => void heard.lines.push(line),
    warning: (line: string) => void heard.warnings.push(line),
    debug: () => undefined,
  }
  const made = toyWorld(toy, more.store?.(store) ?? store, {
    driver,
    ...(more.signal === undefined ? {} : { signal: more.signal }),
  })
  const world: World = {
    ...made,
    log,
    context: { ...made.context, log },
    listener: (event) => void heard.events.push(event),
  }
  return { report: await deploy(world, { dryRun: false, only: [] }), store, ...heard }
}

function journalBelow(store: MemoryStore, prefix: string): { readonly key: string; readonly entry: JournalEntry }[] {
  return [...store.documents]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, { body }]) => ({ key, entry: (body as unknown as { entry: JournalEntry }).entry }))
}
const outcomes = (units: readonly { readonly id: string; readonly outcome: string }[]): string[] =>
  units.map(({ id, outcome }) => `${id} ${outcome}`)
const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

/** The store of the deploy that is under way. */
const kept: { store: MemoryStore } = { store: memoryStore() }

describe('a deploy', () => {
  test('writes the intent of each unit before its effect, and what it changed after it, into its own journal', async () => {
    const { unit } = play()
    const seen: string[][] = []
    const { store, report } = await deploying(
      [
        unit('a', {
          apply: async () => void seen.push(journalBelow(kept.store, 'deploys/').map(({ entry }) => entry.kind)),
        }),
      ],
      {
        prepare: (made) => {
          kept.store = made
        },
      },
    )
    expect(report.failure).toBeNull()
    expect(seen).toEqual([['begun', 'intent']])
    const journal = journalBelow(store, 'deploys/')
    expect(journal.map(({ key }) => key.replace(/^deploys\/deploy-[^/]+\//, ''))).toEqual([
      'journal/000001.json',
      'journal/000002.json',
      'journal/000003.json',
      'journal/000004.json',
    ])
    expect(journal.map(({ entry }) => entry)).toEqual([
      expect.objectContaining({ kind: 'begun', epoch: 1, attempt: 1 }),
      expect.objectContaining({ kind: 'intent', step: 'a' }),
      expect.objectContaining({
        kind: 'result',
        step: 'a',
        outcome: 'done',
        proof: { changes: [{ kind: 'create', object: 'a' }] },
      }),
      expect.objectContaining({ kind: 'ended', verdict: 'done', code: null }),
    ])
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('lets a unit end that runs beside the first failure, and begins no other one', async () => {
    const { unit, there, happened } = play()
    const failing = unit('a', {
      apply: () => Promise.reject(siteError('internal-error', 'a cannot be applied')),
    })
    const slow = unit('b', {
      async apply(signal) {
        await aMoment()
        signal.throwIfAborted()
        happened.push('apply b')
        there.add('b')
      },
    })
    const { report, warnings, store } = await deploying([failing, slow, unit('c', { needs: ['b'] })])
    expect(outcomes(report.units)).toEqual(['a failed', 'b applied', 'c not-reached'])
    expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'internal-error' } })
    expect(happened).toEqual(['apply b', 'ready b'])
    expect(warnings).toEqual([expect.stringContaining('a cannot be applied')])
    const kinds = journalBelow(store, 'deploys/').map(({ entry }) => entry.kind)
    expect(kinds.filter((kind) => kind === 'failed')).toHaveLength(1)
    expect(kinds.at(-1)).toBe('ended')
  })

  test('warns of each unit that failed, also beside the first failure', async () => {
    const { unit } = play()
    const broken = (id: string): DeployUnit =>
      unit(id, { apply: () => Promise.reject(siteError('internal-error', `${id} is broken`)) })
    const { report, warnings } = await deploying([broken('a'), broken('b')])
    expect(outcomes(report.units)).toEqual(['a failed', 'b failed'])
    expect(warnings).toHaveLength(2)
  })

  test('does not apply what an earlier unit has brought about, and waits for it', async () => {
    const { unit, there, happened } = play()
    const both = unit('a', {
      apply: async () => {
        happened.push('apply a')
        there.add('a').add('b')
      },
    })
    const { report } = await deploying([both, unit('b', { needs: ['a'] })])
    expect(outcomes(report.units)).toEqual(['a applied', 'b unchanged'])
    expect(happened).toEqual(['apply a', 'ready a', 'ready b'])
  })

  test('neither touches nor waits for a unit of which nothing differs, and says nothing about it', async () => {
    const { unit, there, happened } = play()
    there.add('a')
    const { report, lines } = await deploying([unit('a'), unit('b')])
    expect(outcomes(report.units)).toEqual(['a unchanged', 'b applied'])
    expect(happened).toEqual(['apply b', 'ready b'])
    expect(lines).toEqual(['b: the unit b'])
  })

  test('repeats a comparison that fails for a moment, and applies only what differs', async () => {
    const { unit, there, happened } = play()
    let asked = 0
    const shaky = unit('b', {
      needs: ['a'],
      async diff() {
        asked += 1
        if (asked === 2) throw siteError('internal-error', 'no answer', { retry: 'transient' })
        return there.has('b') ? [] : [{ kind: 'create', object: 'b' }]
      },
    })
    const first = unit('a', {
      apply: async () => {
        happened.push('apply a')
        there.add('a').add('b')
      },
    })
    const { report } = await deploying([first, shaky])
    expect(outcomes(report.units)).toEqual(['a applied', 'b unchanged'])
    expect(happened).toEqual(['apply a', 'ready a', 'ready b'])
  })

  test('tries an effect again whose answer was lost, and reports all that it changed', async () => {
    const { unit, there, happened } = play()
    let tries = 0
    const shaky = unit('a', {
      async apply() {
        tries += 1
        if (tries === 1) throw siteError('internal-error', 'no answer', { retry: 'transient' })
        happened.push('apply a')
        there.add('a')
      },
    })
    const { report, lines } = await deploying([shaky])
    expect(report.units).toMatchObject([{ outcome: 'applied', changes: [{ object: 'a' }] }])
    expect(happened).toEqual(['apply a', 'ready a'])
    expect(lines.filter((line) => line === 'a: the unit a')).toHaveLength(1)
  })

  test('is ended by changes that are refused before it takes the lock or writes anything', async () => {
    const { unit, happened } = play()
    const refused = unit('b', { diff: async () => [{ kind: 'refused', object: 'b', why: 'it is immutable' }] })
    const { report, store } = await deploying([unit('a'), refused])
    expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'change-refused' } })
    expect(happened).toEqual([])
    expect([...store.documents.keys()]).toEqual(['active.json'])
  })

  test('names the first active site before its first unit, where it is the first one', async () => {
    const { unit } = play()
    const named: (string | undefined)[] = []
    const { report, store, lines } = await deploying(
      [unit('a', { apply: async () => void named.push((await readActive(kept.store))?.record.activeSite) })],
      {
        prepare: (made) => {
          kept.store = made
          made.documents.delete('active.json')
        },
        store: (made) => ({
          ...made,
          create: async (key, body) => {
            if (key === 'active.json') await aMoment()
            return made.create(key, body)
          },
        }),
      },
    )
    expect(report.failure).toBeNull()
    expect(named).toEqual(['dc-a'])
    expect(lines).toEqual(['witness.begin: names dc-a as the first active site', 'a: the unit a'])
    expect((await readActive(store))?.record).toMatchObject({ activeSite: 'dc-a', epoch: 1 })
  })

  test('goes on without its journal where the witness refuses that, with one warning', async () => {
    const { unit } = play()
    const { report, warnings, store } = await deploying([unit('a'), unit('b', { needs: ['a'] })], {
      store: (made) => ({
        ...made,
        create: async (key, body) => {
          if (!key.startsWith('deploys/')) return made.create(key, body)
          throw new StandbyError({ code: 'witness-denied', mustAct: 'input', what: `${key} must not be written` })
        },
      }),
    })
    expect(outcomes(report.units)).toEqual(['a applied', 'b applied'])
    expect(warnings).toEqual([expect.stringContaining('standby rbac --policy deployer')])
    expect(journalBelow(store, 'deploys/')).toEqual([])
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('that is cancelled begins no other unit, and gives its lock back', async () => {
    const { unit } = play()
    const stopping = new AbortController()
    const cancelled = new StandbyError({ code: 'cancelled', mustAct: 'cancelled', what: 'stopped by a signal' })
    const { report, store } = await deploying(
      [unit('a', { apply: async () => stopping.abort(cancelled) }), unit('b', { needs: ['a'] })],
      { signal: stopping.signal },
    )
    expect(outcomes(report.units)).toEqual(['a failed', 'b not-reached'])
    expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'cancelled' } })
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('is shown in the live view, unit by unit', async () => {
    const { unit } = play()
    const { events } = await deploying([unit('a')])
    expect(events).toMatchObject([
      { kind: 'step-begun', id: 'a', title: 'the unit a' },
      { kind: 'step-ended', id: 'a', outcome: 'done' },
    ])
  })
})

describe('a backup', () => {
  test('keeps a journal of its steps with the other runs of the mover, and takes no lock', async () => {
    const { toy, store } = await deployedToy()
    const driver: FlatDriver = {
      ...toyDriver(toy),
      backup: ({ name }) => (name === 'database' ? [toyStep('database.note@dc-a', 'PREPARE')] : []),
    }
    const report = await backUp(toyWorld(toy, store, { driver }))
    expect(report.failure).toBeNull()
    const journal = journalBelow(store, 'runs/')
    expect(new Set(journal.map(({ key }) => key.split('/')[1]?.replace(/-.*/, '')))).toEqual(new Set(['backup']))
    expect(journal.map(({ entry }) => entry.kind)).toEqual(['begun', 'intent', 'result', 'ended'])
    expect(store.documents.has('lock.json')).toBe(false)
  })
})
