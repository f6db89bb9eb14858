import { describe, expect, test } from '@jest/globals'
import type { Progress } from '../../../src/domain/progress.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { ACTIVATE, fencedMove, resultOf } from '../../support/fenced-move.ts'

const PROMOTED = resultOf('database.promote@dc-b')
/** As a process finds it that continues a run which was promoted, and not ended. */
async function promoted() {
  const at = await fencedMove()
  await at.dieAfter(PROMOTED)
  expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  return at
}

describe('a promotion on record is a claim: this process looks again before anything rests on it', () => {
  test.each([
    ['before the fence', resultOf('witness.lock'), ['fence', 'copy', 'promote']],
    ['after the witness named the new site', ACTIVATE, ['promote']],
  ])('a journal that was forged %s is not believed: the site is promoted all the same', async (_, until, effects) => {
    const at = await fencedMove()
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
    const { promote } = at.driver.behaviours
    if (promote === undefined) throw new Error('no promotion')
    let looks = 0
    Object.assign(promote, {
      done: async (): Promise<Progress> =>
        ++looks > 2 ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'the new primary to restart' },
      invalidate: async () => undefined,
    })
    at.sites.fenced = false
    expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
    expect(looks).toBeGreaterThan(2)
    expect(at.effects).toEqual(['fence', 'copy', 'promote'])
  }, 20_000)

  test('one on a site that is silent now stops the run, and says so', async () => {
    const at = await promoted()
    const { promote } = at.driver.behaviours
    Object.assign(promote ?? {}, {
      done: async (): Promise<Progress> => ({ is: 'unknown', why: 'dc-b does not answer' }),
    })
    const hasty = { ...at.plan, steps: at.plan.steps.map((step) => ({ ...step, deadline: 500 })) }
    expect(await at.perform('resume', at.world, hasty)).toMatchObject({
      verdict: 'stopped',
      failure: { code: 'result-unproven', where: 'dc-b' },
    })
  }, 20_000)

  test('a run that has given its lock back and lacks its promotion does not end as moved, and touches nothing', async () => {
    const at = await fencedMove()
    await at.dieAfter(resultOf('witness.close'))
    at.sites.promoted = false
    const before = [...at.effects]
    expect(await at.perform('resume')).toMatchObject({ verdict: 'stopped', failure: { code: 'result-unproven' } })
    expect(at.effects).toEqual(before)
  })
})
