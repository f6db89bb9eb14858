import { describe, expect, test } from '@jest/globals'
import { openJournal } from '../../../src/witness/journal.ts'
import { FENCE, fencedMove, resultOf } from '../../support/fenced-move.ts'
import type { Behaviour, FlatProgress } from '../../support/flat/behaviour.ts'
import { toyCode } from '../../support/toy-codes.ts'

type Move = Awaited<ReturnType<typeof fencedMove>>
const LOCK = resultOf('witness.lock')

/** Another behaviour of its only fence. */
function bent(at: Move, as: Partial<Behaviour>): void {
  Object.assign(at.driver.behaviours.fence ?? {}, as)
}
const crashLoop = async (): Promise<FlatProgress> => ({
  is: 'failed',
  code: toyCode['rollout-failed'],
  why: 'its pods crash, whatever this run does',
})

/** A fence on an object with versions, such as a Deployment: `due`: no process has asked it to be shut. */
function versioned(at: Move, { due }: { readonly due: boolean }): void {
  const seen = { object: 'Deployment/app', version: '7' } as never
  bent(at, {
    invalidate: async () => undefined,
    done: async () => ({ is: 'pending', waitingFor: 'its pods to end', ...(due ? { due: seen } : {}) }),
    undone: async () =>
      at.effects.includes('unfence') ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'it', due: seen },
  })
}

describe('a run that shut nothing is taken back, however ill the old site is by then', () => {
  test('an abort ends as undone although the application of the old site crashes', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    bent(at, { undone: crashLoop })
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect((await at.store.get('lock.json'))?.body).toMatchObject({ released: true })
  })

  test('a resume of a run that was going back ends as undone as well', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    await (await openJournal(at.store, 'r1')).append({ kind: 'turned-back', at: new Date().toISOString() })
    bent(at, { undone: crashLoop })
    expect(await at.perform('resume')).toMatchObject({ verdict: 'undone', failure: null })
  })

  test('a fence whose site does not answer is left as it is, and the log says so', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    at.sites.answers = false
    bent(at, { undone: crashLoop })
    const warnings: string[] = []
    const log = { ...at.world.context.log, warning: (line: string) => void warnings.push(line) }
    const world = { ...at.world, context: { ...at.world.context, log } }
    expect(await at.perform('abort', world)).toMatchObject({ verdict: 'undone', failure: null })
    expect(warnings).toContainEqual(
      expect.stringContaining('database.fence@dc-a is not on record as shut, and whether it is shut is unknown'),
    )
  })

  test('a fence with versions that no process has asked to shut is not written to', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    versioned(at, { due: true })
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect(at.effects).toEqual([])
  })
})

describe('what is shut is opened, although nothing is on record of it', () => {
  test('one with versions that is on its way to be shut is taken back, and seen open', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    versioned(at, { due: false })
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect(at.effects).toEqual(['unfence'])
  })

  test('of one without versions, which may be half shut, the way back is sent', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    expect(await at.perform('abort')).toMatchObject({ verdict: 'undone', failure: null })
    expect(at.effects).toEqual(['unfence'])
  })

  test('a shut one must be seen open: without that the run is not undone', async () => {
    const at = await fencedMove()
    await at.dieAfter(LOCK)
    at.sites.fenced = true
    bent(at, { undone: crashLoop })
    expect(await at.perform('abort')).toMatchObject({
      verdict: 'stopped',
      failure: { code: toyCode['rollout-failed'] },
    })
  })

  test('a fence that is on record as shut must be seen open as well', async () => {
    const at = await fencedMove()
    await at.dieAfter(FENCE)
    bent(at, { undone: crashLoop })
    expect(await at.perform('abort')).toMatchObject({
      verdict: 'stopped',
      failure: { code: toyCode['rollout-failed'] },
    })
  })

  test('one that is on record as opened, and is open, stays so in the report', async () => {
    const at = await fencedMove()
    await at.dieAfter(FENCE)
    at.sites.fenced = false
    const journal = await openJournal(at.store, 'r1')
    await journal.append({ kind: 'turned-back', at: new Date().toISOString() })
    await journal.append({ kind: 'undone', at: new Date().toISOString(), step: 'database.fence@dc-a', proof: {} })
    bent(at, { undone: crashLoop })
    const { verdict, steps } = await at.perform('abort')
    expect([verdict, steps.find(({ id }) => id === 'database.fence@dc-a')?.outcome]).toEqual(['undone', 'undone'])
  })
})
