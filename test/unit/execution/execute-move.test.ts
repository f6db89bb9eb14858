import { describe, expect, test } from '@jest/globals'
import { siteError } from '../../../src/errors.ts'
import { openJournal } from '../../../src/execution/journal.ts'
import { readActive, readLock, takeLock } from '../../../src/execution/witness.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { deployedToy, toyApproval, toyDriver, toyWorld } from '../../support/toy-stack.ts'

describe('a planned move', () => {
  test('ends with the new site writing, the witness naming it in the next epoch, and the lock released', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'moved', failure: null, epoch: { before: 1, after: 2 } })
    expect(toy).toEqual({ writer: 'dc-b', effects: ['demote', 'promote', 'start', 'note'] })
    expect((await readActive(store))?.record).toMatchObject({ activeSite: 'dc-b', epoch: 2 })
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('writes every intent before its effect and every result after it', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    const entries = (await openJournal(store, report.run)).entries
    expect(entries[0]?.kind).toBe('begun')
    expect(entries.at(-1)).toMatchObject({ kind: 'ended', verdict: 'moved' })
    for (const step of plan.steps) {
      const kinds = entries.filter((entry) => 'step' in entry && entry.step === step.id).map((entry) => entry.kind)
      expect(kinds).toEqual(['intent', 'result'])
    }
  })

  test('a failure before the point of no return is undone, and the old site writes again', async () => {
    const { toy, store } = await deployedToy()
    // The demotion fails after its effect.
    const driver = toyDriver(toy, {
      demote: async () => {
        toy.writer = null
        throw siteError('shutdown-too-slow', 'it took too long')
      },
    })
    const world = toyWorld(toy, store, { driver })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'undone', failure: { code: 'shutdown-too-slow' } })
    expect(toy.writer).toBe('dc-a')
    expect(report.steps.find((step) => step.id === 'database.demote@dc-a')?.outcome).toBe('undone')
    expect((await readActive(store))?.record.activeSite).toBe('dc-a')
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('a failure after the point of no return is never undone by bringing the old site back', async () => {
    const { toy, store } = await deployedToy()
    const driver = toyDriver(toy, { start: async () => Promise.reject(siteError('image-missing', 'no image')) })
    const world = toyWorld(toy, store, { driver })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'stopped', failure: { code: 'image-missing' } })
    expect(toy.writer).toBe('dc-b')
    expect(toy.effects).not.toContain('undo demote')
  })

  test('a plan is executed once: the second time it is refused and nothing happens', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    await executeFailover(world, plan, toyApproval(digest))
    const effects = [...toy.effects]
    const second = await executeFailover(world, plan, toyApproval(digest))
    expect(second.verdict).toBe('refused')
    expect(toy.effects).toEqual(effects)
  })

  test('of two runs with one plan at the same time exactly one moves', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const reports = await Promise.all([
      executeFailover(world, plan, toyApproval(digest)),
      executeFailover(world, plan, toyApproval(digest)),
    ])
    expect(reports.map((report) => report.verdict).sort()).toEqual(['moved', 'refused'])
    expect(toy.effects.filter((effect) => effect === 'promote')).toHaveLength(1)
  })
})

describe('a plan that is not true any more is refused before any effect', () => {
  const cases: [string, string, (at: Awaited<ReturnType<typeof deployedToy>>) => Promise<void>][] = [
    ['the approval is for another digest', 'plan-stale', async () => undefined],
    [
      'a decision fact changed',
      'plan-stale',
      async ({ toy }) => {
        toy.writer = null
      },
    ],
    [
      'another run holds the lock',
      'lock-held',
      async ({ store }) => takeLock(store, { stack: 'toy', holder: 'other', purpose: 'deploy', epoch: 1, now: new Date() }),
    ],
  ]
  test.each(cases)('%s: %s', async (title, code, change) => {
    const at = await deployedToy()
    const world = toyWorld(at.toy, at.store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    await change(at)
    const report = await executeFailover(world, plan, toyApproval(title.includes('digest') ? 'other' : digest))
    expect(report).toMatchObject({ verdict: 'refused', failure: { code } })
    expect(at.toy.effects).toEqual([])
  })

  test('an expired plan', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const old = { ...plan, expiresAt: '2026-01-01T00:00:00.000Z' }
    const { digestOf } = await import('../../../src/planning/plan-digest.ts')
    const report = await executeFailover(world, old, toyApproval(digestOf(old)))
    expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'plan-expired' } })
    expect(toy.effects).toEqual([])
  })
})
