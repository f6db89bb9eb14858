import { expect, test } from '@jest/globals'
import { approvalText } from '../../../src/approval/approval-text.ts'
import { abortApproval, readResumeApproval } from '../../../src/approval/resume-approval.ts'
import { readSignedApproval } from '../../../src/approval/signed-approval.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { newestBodies } from '../../../src/evidence/keep-evidence.ts'
import { continueFailover, readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { deployedToy, toyClock, toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { quickSigner } from './signers.ts'

const signers = [quickSigner('rita'), quickSigner('omar')]
const declaring = (approval: Partial<Stack['approval']>): Stack => ({
  ...toyStack,
  approval: { ...toyStack.approval, ...approval },
})
const signed = declaring({ signatures: { required: 2, keys: signers.map(({ name, key }) => ({ name, key })) } })
const reviewed = declaring({ github: { environments: ['failover'], branch: 'main', approvers: 1 } })
const REQUEST = { reason: 'GitHub is down', requestedBy: 'sam' } as const

/** A signed run that stopped after the point of no return, and a world that goes on with it. */
async function stopped() {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const driver = toyDriver(toy, { start: async () => Promise.reject(siteError(toyCode['image-missing'], 'no image')) })
  const broken = { ...toyWorld(toy, store, { driver, clock }), stack: signed }
  const { plan } = await planFailover(broken, { mode: 'switchover', to: 'dc-b' })
  const text = approvalText(plan, { ...REQUEST, purpose: { operation: 'execute' } })
  const signatures = signers.map((signer) => ({ file: signer.name, text: signer.sign(text) }))
  const approval = readSignedApproval({ stack: signed, plan, signatures, ...REQUEST, now: clock.now() })
  const { run } = await executeFailover(broken, plan, approval)
  const world = { ...toyWorld(toy, store, { clock }), stack: signed }
  return { toy, clock, world, plan, kept: await readRun(world, run) }
}

/** As a terminal goes on that brings nothing but what lies in the witness. */
const resumed = (at: Pick<Awaited<ReturnType<typeof stopped>>, 'world' | 'kept' | 'clock'>) => {
  const { world, kept, clock } = at
  const request = { ...kept, stored: kept.approval, stack: world.stack, digest: null, requestedBy: 'sam', github: null }
  return continueFailover(world, kept, 'resume', () => readResumeApproval({ ...request, now: clock.now() }))
}

test('a run that stopped goes on with the signatures that it was begun with', async () => {
  const at = await stopped()
  expect(at.toy.effects).not.toContain('start')
  expect(await resumed(at)).toMatchObject({ verdict: 'moved' })
  expect(at.toy.effects).toContain('start')
})

test('a stopped run does not go on when the stack file accepts no signatures any more, and nothing is done', async () => {
  const at = await stopped()
  const before = [...at.toy.effects]
  const report = await resumed({ ...at, world: { ...at.world, stack: reviewed } })
  expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'approval-not-allowed' } })
  expect(at.toy.effects).toEqual(before)
})

test('a stopped run does not go on when another reason was written into the witness', async () => {
  const at = await stopped()
  const bent = { ...at.kept, approval: { ...(at.kept.approval as object), reason: 'something else' } }
  expect(await resumed({ ...at, kept: bent })).toMatchObject({
    verdict: 'refused',
    failure: { code: 'signature-wrong' },
  })
})

test('a stopped run needs a new approval for the resume once its plan has expired, and goes on with it', async () => {
  const at = await stopped()
  const { clock, world, plan, kept } = at
  clock.pass(3 * 3_600_000)
  expect(await resumed(at)).toMatchObject({ verdict: 'refused', failure: { code: 'plan-expired' } })
  const purpose = { operation: 'resume', run: kept.run } as const
  const text = approvalText(plan, { ...REQUEST, purpose })
  const signatures = signers.map((signer) => ({ file: signer.name, text: signer.sign(text) }))
  const renewed = readSignedApproval({ stack: signed, plan, signatures, ...REQUEST, now: clock.now(), purpose })
  expect(await continueFailover(world, kept, 'resume', async () => renewed)).toMatchObject({ verdict: 'moved' })
})

test('evidence names no approver of a run that is taken back: what the witness says of that is not proven', async () => {
  const { world, plan, kept } = await stopped()
  const none = abortApproval({ run: kept.run, digest: digestOf(plan), requestedBy: 'sam', reason: null })
  await continueFailover(world, kept, 'abort', async () => none).catch(() => undefined)
  const [record] = await newestBodies(world.store, 1)
  expect(record).toMatchObject({ operation: 'abort', approval: { kind: 'local', approvers: [] } })
})
