import { describe, expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Driver, Progress } from '../../../src/driver/driver.ts'
import { siteError } from '../../../src/errors.ts'
import { executeMove, type MoveRun } from '../../../src/execution/execute-move.ts'
import { type JournalEntry, openJournal } from '../../../src/execution/journal.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { mortalProcess } from '../../support/mortal-process.ts'
import { deployedToy, toyClock, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

/** What is true on the sites, whoever made it true. */
interface Sites {
  fenced: boolean
  /** Its API answers. */
  answers: boolean
  copied: boolean
  promoted: boolean
}

/** A move of a stack whose only fence is one that anybody can open again, and whose copy is only good while it is shut. */
async function moving(more: { readonly byTime?: boolean } = {}) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const sites: Sites = { fenced: false, answers: true, copied: false, promoted: false }
  const effects: string[] = []
  const looks = { fence: 0 }
  const seen = (holds: boolean, waitingFor: string): Progress => (holds ? { is: 'done', proof: {} } : { is: 'pending', waitingFor })
  const own = toyDriver(toy)
  const driver: Driver = {
    ...own,
    move: ({ name }, _states, { from, to }) =>
      name === 'database'
        ? [
            toyStep(`database.fence@${from}`, 'FENCE', { fence: 'database', deadline: 300 }),
            toyStep(`database.copy@${to}`, 'FINAL_SYNC'),
            toyStep(`database.promote@${to}`, 'PROMOTE', { irreversible: true }),
          ]
        : [],
    behaviours: {
      fence: {
        done: async () => {
          looks.fence += 1
          if (!sites.answers) throw siteError('site-unreachable', 'dc-a does not answer', { retry: 'transient' })
          return seen(sites.fenced, 'the fence')
        },
        apply: async () => {
          effects.push('fence')
          sites.fenced = true
        },
        undo: async () => {
          effects.push('unfence')
          sites.fenced = false
        },
        undone: async () => seen(!sites.fenced, 'the fence to be taken away'),
      },
      copy: {
        done: async () => seen(sites.copied, 'the copy'),
        apply: async () => {
          effects.push('copy')
          sites.copied = true
        },
      },
      promote: {
        done: async () => seen(sites.promoted, 'the promotion'),
        apply: async () => {
          effects.push(sites.fenced || !sites.answers ? 'promote' : 'promote beside a writer')
          sites.promoted = true
        },
      },
    },
  }
  const world = toyWorld(toy, store, { driver, clock })
  const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const perform = (how: MoveRun['how'], as = world, of: Plan = plan) =>
    executeMove({
      plan: of,
      digest,
      run: 'r1',
      how,
      store: as.store,
      drivers: as.drivers,
      context: { ...as.context },
      clock,
      progress: progressTo(as.log, clock, () => undefined),
      signal: as.signal,
    })
  const journal = async (): Promise<readonly JournalEntry[]> => (await openJournal(store, 'r1')).entries
  /** Begins, and dies as soon as the journal holds this. */
  const dieAfter = async (holds: (entry: JournalEntry) => boolean): Promise<void> => {
    for (let instants = 1; instants < 400; instants++) {
      const other = await moving(more)
      const mortal = mortalProcess(other.world, instants)
      await Promise.race([mortal.died, other.perform('begin', mortal.world)])
      if (!(await other.journal()).some(holds)) continue
      const again = mortalProcess(world, instants)
      await Promise.race([again.died, perform('begin', again.world)])
      clock.pass(60_000)
      return
    }
    throw new Error('it never came so far')
  }
  return { world, store, clock, sites, effects, looks, plan, perform, journal, dieAfter }
}

const resultOf = (step: string) => (entry: JournalEntry) => entry.kind === 'result' && entry.step === step
const FENCE = resultOf('database.fence@dc-a')
const COPY = resultOf('database.copy@dc-b')
const ACTIVATE = resultOf('witness.activate@dc-b')

describe('nothing is promoted before this process has seen the old site shut', () => {
  test.each([
    ['after the fence', FENCE],
    ['after the last copy', COPY],
    ['after the witness named the new site', ACTIVATE],
  ])(
    'somebody opens the old site %s, when the runner is dead: it is shut again, and what came after it is done again',
    async (_, until) => {
      const at = await moving()
      await at.dieAfter(until)
      const before = [...at.effects]
      // A user writes on it meanwhile.
      Object.assign(at.sites, { fenced: false, copied: false })
      expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
      expect(at.effects.slice(before.length)).toEqual(['fence', 'copy', 'promote'])
      expect((await at.journal()).filter(({ kind }) => kind === 'reopened')).toHaveLength(1)
    },
  )

  test('a journal that was forged opens no gate: the fence that it claims is shut first', async () => {
    const at = await moving()
    await at.dieAfter(resultOf('witness.lock'))
    const journal = await openJournal(at.store, 'r1')
    const forged = { at: new Date().toISOString(), outcome: 'done', proof: {} } as const
    await journal.append({ kind: 'result', step: 'database.fence@dc-a', ...forged })
    await journal.append({ kind: 'result', step: 'database.copy@dc-b', ...forged })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test('a fence that is on record as given up, and that the plan needs, is shut all the same', async () => {
    const at = await moving()
    await at.dieAfter(resultOf('witness.lock'))
    const journal = await openJournal(at.store, 'r1')
    await journal.append({ kind: 'given-up', at: new Date().toISOString(), step: 'database.fence@dc-a', code: 'forged', what: '' })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test.each(['witness.activate@dc-b', 'database.promote@dc-b'])(
    'a journal that says that %s was given up is not believed: no move does without it',
    async (step) => {
      const at = await moving()
      await at.dieAfter(FENCE)
      const journal = await openJournal(at.store, 'r1')
      await journal.append({ kind: 'given-up', at: new Date().toISOString(), step, code: 'site-unreachable', what: 'it was silent' })
      expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
      expect(at.sites.promoted).toBe(true)
      expect((await at.store.get('active.json'))?.body).toMatchObject({ activeSite: 'dc-b' })
    },
  )

  test('a journal that claims that the witness names the new site is not believed: the run goes back', async () => {
    const at = await moving()
    await at.dieAfter(COPY)
    const journal = await openJournal(at.store, 'r1')
    await journal.append({ kind: 'result', at: new Date().toISOString(), step: 'witness.activate@dc-b', outcome: 'done', proof: {} })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'undone', failure: { code: 'fence-open' } })
    expect(at.effects).toEqual(['fence', 'copy', 'unfence'])
  })

  test('a fence that is only on record, of a site that is silent now, stops the run before the point of no return', async () => {
    const at = await moving()
    await at.dieAfter(COPY)
    at.sites.answers = false
    expect(await at.perform('resume')).toMatchObject({ failure: { code: 'fence-unseen', where: 'dc-a' } })
    expect(at.effects).not.toContain('promote')
  }, 20_000)

  test('a process that has seen the fence hold goes on when the site goes silent after that', async () => {
    const at = await moving()
    const { copy } = at.world.drivers.toy?.behaviours ?? {}
    if (copy?.apply === undefined) throw new Error('no copy')
    const apply = copy.apply
    Object.assign(copy, {
      apply: async (run: Parameters<typeof apply>[0]) => {
        await apply(run)
        at.sites.answers = false
        at.clock.pass(60_000)
      },
    })
    expect(await at.perform('begin')).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.looks.fence).toBeGreaterThan(2)
  }, 20_000)

  test('a fence that somebody opens while another look takes long is seen once more, and shut again', async () => {
    const at = await moving()
    await at.dieAfter(ACTIVATE)
    const before = at.effects.length
    const { get } = at.world.store
    let slept = false
    const isTakenOver = async () => (await at.journal()).filter(resultOf('witness.lock')).length === 2
    const slow = async (key: string) => {
      // The record of the active site is looked at beside the fence: its answer takes a minute, for once, after the fence was seen.
      if (key === 'active.json' && !slept && (await isTakenOver())) {
        slept = true
        await new Promise((resolve) => setTimeout(resolve, 50))
        at.clock.pass(60_000)
        Object.assign(at.sites, { fenced: false, copied: false })
      }
      return get(key)
    }
    expect(await at.perform('resume', { ...at.world, store: { ...at.world.store, get: slow } })).toMatchObject({ verdict: 'moved' })
    expect(slept).toBe(true)
    expect(at.effects.slice(before)).toEqual(['fence', 'copy', 'promote'])
  })

  test('within one process, a fence that somebody opens before the promotion is shut again', async () => {
    const at = await moving()
    const { copy } = at.world.drivers.toy?.behaviours ?? {}
    if (copy?.apply === undefined) throw new Error('no copy')
    const apply = copy.apply
    let opened = false
    Object.assign(copy, {
      apply: async (run: Parameters<typeof apply>[0]) => {
        await apply(run)
        at.clock.pass(60_000)
        if (!opened) at.sites.fenced = false
        opened = true
      },
    })
    expect(await at.perform('begin')).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.effects).toEqual(['fence', 'copy', 'fence', 'promote'])
  })

  test('a witness that is always slower than a look at the fences may count ends the run by the deadline, and not never', async () => {
    const at = await moving()
    const { get } = at.world.store
    const slow = async (key: string) => {
      // Each answer takes longer than what was seen of a fence counts before an effect is sent.
      if (key === 'lock.json' && at.sites.copied) at.clock.pass(11_000)
      return get(key)
    }
    const hasty = { ...at.plan, steps: at.plan.steps.map((step) => ({ ...step, deadline: 500 })) }
    const ended = await at.perform('begin', { ...at.world, store: { ...at.world.store, get: slow } }, hasty)
    expect(ended).toMatchObject({ verdict: 'undone', failure: { code: 'step-timeout' } })
    expect(at.effects).toEqual(['fence', 'copy', 'unfence'])
  })

  test('what another controller writes back within one process ends the move at once, and the old site serves again', async () => {
    const at = await moving()
    const { copy, fence } = at.world.drivers.toy?.behaviours ?? {}
    if (copy?.apply === undefined || fence === undefined) throw new Error('no copy')
    const [apply, done] = [copy.apply, fence.done]
    Object.assign(copy, {
      apply: async (run: Parameters<typeof apply>[0]) => {
        await apply(run)
        at.clock.pass(60_000)
        at.sites.fenced = false
      },
    })
    // As a driver says it of an object whose last writer is another one.
    Object.assign(fence, {
      done: async (run: Parameters<typeof done>[0]): Promise<Progress> =>
        run.applied && !at.sites.fenced
          ? { is: 'failed', code: 'reverted-by-others', why: 'argocd-controller has changed it back' }
          : done(run),
    })
    expect(await at.perform('begin')).toMatchObject({ verdict: 'undone', failure: { code: 'reverted-by-others' } })
    expect(at.effects).toEqual(['fence', 'copy', 'unfence'])
  })

  test('a fence that is opened as often as it is shut is shut once more, and then the move goes back', async () => {
    const at = await moving()
    const { copy } = at.world.drivers.toy?.behaviours ?? {}
    if (copy?.apply === undefined) throw new Error('no copy')
    const { done } = copy
    Object.assign(copy, {
      done: async (run: Parameters<typeof done>[0]) => {
        const seen = await done(run)
        at.clock.pass(60_000)
        at.sites.fenced = false
        return seen
      },
    })
    expect(await at.perform('begin')).toMatchObject({ verdict: 'undone', failure: { code: 'reverted-by-others', where: 'dc-a' } })
    expect(at.effects.filter((effect) => effect === 'fence')).toHaveLength(2)
    expect(at.effects.at(-1)).toBe('unfence')
    expect(at.effects).not.toContain('promote')
  })

  test.each([
    ['for ever: the run stops after five minutes of it, and promotes nothing', Number.POSITIVE_INFINITY, 'stopped'],
    ['three times: it is shut three times, and the run ends', 3, 'moved'],
  ] as const)(
    'beyond the point of no return somebody opens a fence %s',
    async (_, times, verdict) => {
      const at = await moving()
      const { promote, copy } = at.world.drivers.toy?.behaviours ?? {}
      if (promote?.apply === undefined || copy === undefined) throw new Error('no promotion')
      let opened = 0
      let committed = false
      const [isPromoted, isCopied] = [promote.done, copy.done]
      const open = (): void => {
        at.clock.pass(60_000)
        if (opened < times) at.sites.fenced = false
        opened += 1
      }
      Object.assign(promote, {
        done: async (run: Parameters<typeof isPromoted>[0]) => {
          if (!committed) open()
          committed = true
          return isPromoted(run)
        },
      })
      Object.assign(copy, {
        done: async (run: Parameters<typeof isCopied>[0]) => {
          if (committed) open()
          return isCopied(run)
        },
      })
      const report = await at.perform('begin')
      expect(report.verdict).toBe(verdict)
      expect(report.failure?.code).toBe(verdict === 'moved' ? undefined : 'reverted-by-others')
      expect(at.effects.includes('promote')).toBe(verdict === 'moved')
      expect(at.effects).not.toContain('promote beside a writer')
      const fences = at.effects.filter((effect) => effect === 'fence').length
      expect(fences).toBeLessThanOrEqual(verdict === 'moved' ? 4 : 8)
    },
    20_000,
  )

  test('a move that nobody disturbs looks once more at each fence at most, and not at all when it was seen a moment ago', async () => {
    const at = await moving()
    expect(await at.perform('begin')).toMatchObject({ verdict: 'moved' })
    // Before its effect, after it, and once more where time has passed.
    expect(at.looks.fence).toBeLessThanOrEqual(3)
  })

  test.each([
    [
      'a plan without its fence, whatever it demands',
      (plan: Plan): Plan => ({
        ...plan,
        fencing: { required: null, planned: [] },
        steps: plan.steps.filter(({ fence }) => fence === undefined),
      }),
    ],
    [
      'a plan whose fence comes after the promotion',
      (plan: Plan): Plan => ({
        ...plan,
        steps: plan.steps.map((step) => (step.fence === undefined ? step : { ...step, phase: 'PROTECT' as const })),
      }),
    ],
  ])('%s is refused by the engine itself, before anything is written', async (_, bent) => {
    const at = await moving()
    await expect(at.perform('begin', at.world, bent(at.plan))).rejects.toMatchObject({ code: 'fence-missing' })
    expect(await at.journal()).toEqual([])
    expect(at.effects).toEqual([])
  })
})

const PROMOTED = resultOf('database.promote@dc-b')
/** As a process finds it that continues a run which was promoted, and not ended. */
async function promoted() {
  const at = await moving()
  await at.dieAfter(PROMOTED)
  expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  return at
}

describe('a promotion on record is a claim: this process looks again before anything rests on it', () => {
  test.each([
    ['before the fence', resultOf('witness.lock'), ['fence', 'copy', 'promote']],
    ['after the witness named the new site', ACTIVATE, ['promote']],
  ])('a journal that was forged %s is not believed: the site is promoted all the same', async (_, until, effects) => {
    const at = await moving()
    await at.dieAfter(until)
    const before = at.effects.length
    const journal = await openJournal(at.store, 'r1')
    const forged = { at: new Date().toISOString(), outcome: 'done', proof: {} } as const
    await journal.append({ kind: 'result', step: 'database.promote@dc-b', ...forged })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.effects.slice(before)).toEqual(effects)
  })

  test('one that holds is not done again, and opens or shuts nothing', async () => {
    const at = await promoted()
    // After the promotion doors are open on purpose that were fences before.
    at.sites.fenced = false
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test('one that is under way, by the word of its driver, is waited for: no effect is due, and no door is shut', async () => {
    const at = await promoted()
    const { promote } = at.world.drivers.toy?.behaviours ?? {}
    if (promote === undefined) throw new Error('no promotion')
    let looks = 0
    Object.assign(promote, {
      done: async (): Promise<Progress> =>
        ++looks > 2 ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'the new primary to restart' },
      touch: async () => undefined,
    })
    at.sites.fenced = false
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
    expect(looks).toBeGreaterThan(2)
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  }, 20_000)

  test('one on a site that is silent now stops the run, and says so', async () => {
    const at = await promoted()
    const { promote } = at.world.drivers.toy?.behaviours ?? {}
    Object.assign(promote ?? {}, { done: async (): Promise<Progress> => ({ is: 'unknown', why: 'dc-b does not answer' }) })
    const hasty = { ...at.plan, steps: at.plan.steps.map((step) => ({ ...step, deadline: 500 })) }
    expect(await at.perform('resume', at.world, hasty)).toMatchObject({
      verdict: 'stopped',
      failure: { code: 'result-unproven', where: 'dc-b' },
    })
  }, 20_000)

  test('a run that has given its lock back and lacks its promotion does not end as moved, and touches nothing', async () => {
    const at = await moving()
    await at.dieAfter(resultOf('witness.close'))
    at.sites.promoted = false
    const before = [...at.effects]
    expect(await at.perform('resume')).toMatchObject({ verdict: 'stopped', failure: { code: 'result-unproven' } })
    expect(at.effects).toEqual(before)
  })
})
