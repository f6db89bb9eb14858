import { expect, test } from '@jest/globals'
import { whatItDoes } from '../../../src/approval/what-it-does.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { deployedToy, toyWorld } from '../../support/toy-stack.ts'

test('a signer is shown what a plan shuts and what cannot be taken back, in its order', async () => {
  const { toy, store } = await deployedToy()
  const { plan } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  expect(whatItDoes(plan).map((line) => line.split(':')[0])).toEqual([
    `${plan.steps.length} steps; the fence must reach database`,
    'FENCE database.demote@dc-a (shuts database)',
    'PROMOTE witness.activate@dc-b (no way back)',
    'PROMOTE database.promote@dc-b (no way back)',
  ])
})
