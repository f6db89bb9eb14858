import { expect, test } from '@jest/globals'
import { siteError } from '../../../src/errors/standby-error.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { continueToy, deployedToy, toyApproval, toyDriver, toyWorld } from '../../support/toy-stack.ts'

const denied = () => siteError('witness-denied', 'the key was revoked')

/** A witness that takes the name of the new site, and then refuses one answer to the write and one to the next look. */
function refusingBehindReturn(store: ConditionalStore): ConditionalStore {
  let refusing = false
  return {
    ...store,
    async replace(key, body, version) {
      const written = await store.replace(key, body, version)
      if (key === 'active.json' && body.activeSite === 'dc-b') {
        refusing = true
        throw denied()
      }
      return written
    },
    async get(key) {
      if (!refusing || key !== 'active.json') return store.get(key)
      refusing = false
      throw denied()
    },
  }
}

test('a run that cannot tell whether the witness names the new site opens nothing on the old one, and is resumed to its end', async () => {
  const { toy, store } = await deployedToy()
  const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  const report = await executeFailover(toyWorld(toy, refusingBehindReturn(store)), plan, toyApproval(digest))
  expect(report).toMatchObject({ verdict: 'stopped', failure: { code: 'witness-denied' } })
  expect(toy.effects).toEqual(['demote'])
  const world = toyWorld(toy, store)
  await continueToy(world, report.run, 'resume')
  expect(await continueToy(world, report.run, 'resume')).toMatchObject({ verdict: 'moved' })
  expect(toy.effects).not.toContain('undo demote')
})

test('a run whose fence was taken back after the point of no return stops with a reason and a next step', async () => {
  const { toy, store } = await deployedToy()
  const driver = toyDriver(toy, { start: async () => Promise.reject(siteError(toyCode['image-missing'], 'no image')) })
  const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  const { run } = await executeFailover(toyWorld(toy, store, { driver }), plan, toyApproval(digest))
  const journal = await openJournal(store, run)
  await journal.append({ kind: 'undone', at: new Date().toISOString(), step: 'database.demote@dc-a' })
  const world = toyWorld(toy, store)
  expect(await continueToy(world, run, 'resume')).toMatchObject({
    verdict: 'stopped',
    failure: {
      code: 'reverted-after-return',
      next: expect.stringContaining('standby failover plan --mode failover'),
    },
  })
  expect(toy.effects).toEqual(['demote', 'promote'])
})
