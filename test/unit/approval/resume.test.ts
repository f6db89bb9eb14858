import { expect, test } from '@jest/globals'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import { siteError } from '../../../src/errors.ts'
import { continueFailover, readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Stack } from '../../../src/stack/stack.ts'
import { deployedToy, toyClock, toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'

const signers = [quickSigner('rita'), quickSigner('omar')]
const declaring = (approval: Partial<Stack['approval']>): Stack => ({ ...toyStack, approval: { ...toyStack.approval, ...approval } })
const signed = declaring({ signatures: { required: 2, keys: signers.map(({ name, key }) => ({ name, key })) } })
const reviewed = declaring({ github: { environments: ['failover'], branch: 'main', approvers: 1 } })
const REQUEST = { reason: 'GitHub is down', requestedBy: 'sam' } as const

/** A signed run that stopped behind the point of no return, and a world that goes on with it. */
async function stopped() {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const driver = toyDriver(toy, { start: async () => Promise.reject(siteError('image-missing', 'no image')) })
  const broken = { ...toyWorld(toy, store, { driver, clock }), stack: signed }
  const { plan } = await planFailover(broken, { mode: 'switchover', to: 'dc-b' })
  const text = approvalText(plan, { ...REQUEST, purpose: { operation: 'execute' } })
  const signatures = signers.map((signer) => ({ file: signer.name, text: signer.sign(text) }))
  const approval = readSignedApproval({ stack: signed, plan, signatures, ...REQUEST, now: clock.now() })
  const { run } = await executeFailover(broken, plan, approval)
  const world = { ...toyWorld(toy, store, { clock }), stack: signed }
  return { toy, clock, world, plan, kept: await readRun(world, run) }
}

test('a run that stopped goes on with the signatures that it was begun with', async () => {
  const { toy, world, kept } = await stopped()
  expect(toy.effects).not.toContain('start')
  expect(await continueFailover(world, kept, 'resume')).toMatchObject({ verdict: 'moved' })
  expect(toy.effects).toContain('start')
})

test('it does not when the stack file accepts no signatures any more, and nothing is done', async () => {
  const { toy, world, kept } = await stopped()
  const before = [...toy.effects]
  const report = await continueFailover({ ...world, stack: reviewed }, kept, 'resume')
  expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'approval-not-allowed' } })
  expect(toy.effects).toEqual(before)
})

test('it does not when somebody wrote another reason into the witness', async () => {
  const { world, kept } = await stopped()
  const bent = { ...kept, approval: { ...kept.approval, reason: 'something else' } }
  expect(await continueFailover(world, bent, 'resume')).toMatchObject({ verdict: 'refused', failure: { code: 'signature-wrong' } })
})

test('behind the expiry it needs an approval for just that, and goes on with it', async () => {
  const { clock, world, plan, kept } = await stopped()
  clock.pass(3 * 3_600_000)
  expect(await continueFailover(world, kept, 'resume')).toMatchObject({ verdict: 'refused', failure: { code: 'plan-expired' } })
  const purpose = { operation: 'resume', run: kept.run } as const
  const text = approvalText(plan, { ...REQUEST, purpose })
  const signatures = signers.map((signer) => ({ file: signer.name, text: signer.sign(text) }))
  const renewed = readSignedApproval({ stack: signed, plan, signatures, ...REQUEST, now: clock.now(), purpose })
  expect(await continueFailover(world, kept, 'resume', renewed)).toMatchObject({ verdict: 'moved' })
})
