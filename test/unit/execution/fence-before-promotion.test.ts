import { describe, expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Progress } from '../../../src/domain/progress.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { ACTIVATE, COPY, FENCE, fencedMove, resultOf } from '../../support/fenced-move.ts'

describe('nothing is promoted before this process has seen the old site shut', () => {
  test.each([
    ['after the fence', FENCE],
    ['after the last copy', COPY],
    ['after the witness named the new site', ACTIVATE],
  ])(
    'an old site that is opened %s, when the runner is dead, is shut again, and what came after it is done again',
    async (_, until) => {
      const at = await fencedMove()
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
    const at = await fencedMove()
    await at.dieAfter(resultOf('witness.lock'))
    const journal = await openJournal(at.store, 'r1')
    const forged = { at: new Date().toISOString(), outcome: 'done', proof: {} } as const
    await journal.append({ kind: 'result', step: 'database.fence@dc-a', ...forged })
    await journal.append({ kind: 'result', step: 'database.copy@dc-b', ...forged })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test('a fence that is on record as given up, and that the plan needs, is shut all the same', async () => {
    const at = await fencedMove()
    await at.dieAfter(resultOf('witness.lock'))
    const journal = await openJournal(at.store, 'r1')
    await journal.append({
      kind: 'given-up',
      at: new Date().toISOString(),
      step: 'database.fence@dc-a',
      code: 'forged',
      what: '',
    })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  })

  test.each(['witness.activate@dc-b', 'database.promote@dc-b'])(
    'a journal that says that %s was given up is not believed: no move does without it',
    async (step) => {
      const at = await fencedMove()
      await at.dieAfter(FENCE)
      const journal = await openJournal(at.store, 'r1')
      await journal.append({
        kind: 'given-up',
        at: new Date().toISOString(),
        step,
        code: 'site-unreachable',
        what: 'it was silent',
      })
      expect(await at.perform('resume')).toMatchObject({ verdict: 'moved' })
      expect(at.sites.promoted).toBe(true)
      expect((await at.store.get('active.json'))?.body).toMatchObject({ activeSite: 'dc-b' })
    },
  )

  test('a journal that claims that the witness names the new site is not believed: the run goes back', async () => {
    const at = await fencedMove()
    await at.dieAfter(COPY)
    const journal = await openJournal(at.store, 'r1')
    await journal.append({
      kind: 'result',
      at: new Date().toISOString(),
      step: 'witness.activate@dc-b',
      outcome: 'done',
      proof: {},
    })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'undone', failure: { code: 'fence-open' } })
    expect(at.effects).toEqual(['fence', 'copy', 'unfence'])
  })

  test('a fence that is only on record, of a site that is silent now, stops the run before the point of no return', async () => {
    const at = await fencedMove()
    await at.dieAfter(COPY)
    at.sites.answers = false
    expect(await at.perform('resume')).toMatchObject({ failure: { code: 'fence-unseen', where: 'dc-a' } })
    expect(at.effects).not.toContain('promote')
  }, 20_000)

  test('a process that has seen the fence hold goes on when the site goes silent after that', async () => {
    const at = await fencedMove()
    const { copy } = at.driver.behaviours
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

  test('a fence that is opened while another look takes long is seen once more, and shut again', async () => {
    const at = await fencedMove()
    await at.dieAfter(ACTIVATE)
    const before = at.effects.length
    const { get } = at.world.store
    let slept = false
    const isTakenOver = async () => (await at.journal()).filter(resultOf('witness.lock')).length === 2
    const slow = async (key: string) => {
      // The record of the active site is looked at beside the fence: its answer takes a minute, for once, after the
      // fence was seen.
      if (key === 'active.json' && !slept && (await isTakenOver())) {
        slept = true
        await new Promise((resolve) => setTimeout(resolve, 50))
        at.clock.pass(60_000)
        Object.assign(at.sites, { fenced: false, copied: false })
      }
      return get(key)
    }
    expect(await at.perform('resume', { ...at.world, store: { ...at.world.store, get: slow } })).toMatchObject({
      verdict: 'moved',
    })
    expect(slept).toBe(true)
    expect(at.effects.slice(before)).toEqual(['fence', 'copy', 'promote'])
  })

  test('within one process, a fence that is opened before the promotion is shut again', async () => {
    const at = await fencedMove()
    const { copy } = at.driver.behaviours
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
    const at = await fencedMove()
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
    const at = await fencedMove()
    const { copy, fence } = at.driver.behaviours
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
    const at = await fencedMove()
    const { copy } = at.driver.behaviours
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
    expect(await at.perform('begin')).toMatchObject({
      verdict: 'undone',
      failure: { code: 'reverted-by-others', where: 'dc-a' },
    })
    expect(at.effects.filter((effect) => effect === 'fence')).toHaveLength(2)
    expect(at.effects.at(-1)).toBe('unfence')
    expect(at.effects).not.toContain('promote')
  })

  test.each([
    ['for ever: the run stops after five minutes of it, and promotes nothing', Number.POSITIVE_INFINITY, 'stopped'],
    ['three times: it is shut three times, and the run ends', 3, 'moved'],
  ] as const)(
    'after the point of no return a fence is opened %s',
    async (_, times, verdict) => {
      const at = await fencedMove()
      const { promote, copy } = at.driver.behaviours
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

  test('an undisturbed move looks once more at each fence at most, and not at all when it was seen a moment ago', async () => {
    const at = await fencedMove()
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
    const at = await fencedMove()
    await expect(at.perform('begin', at.world, bent(at.plan))).rejects.toMatchObject({ code: 'fence-missing' })
    expect(await at.journal()).toEqual([])
    expect(at.effects).toEqual([])
  })
})
