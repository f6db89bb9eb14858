import { expect, test } from '@jest/globals'
import { hasApproval } from '../../../src/cli/failover-commands.ts'
import { siteError } from '../../../src/errors.ts'
import { openJournal } from '../../../src/execution/journal.ts'
import { continueFailover, readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Stack } from '../../../src/stack/stack.ts'
import { deployedToy, toyApproval, toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'

const nobody = toyStack
const reviewers: Stack = {
  ...toyStack,
  approval: { ...toyStack.approval, github: { environments: ['failover'], branch: 'main', approvers: 1 } },
}

test('a reason alone asks for a new approval of a resume, and says of an abort, which needs none, why it is made', () => {
  expect(hasApproval('abort', { reason: 'wrong site' }, nobody)).toBe(false)
  expect(hasApproval('abort', {}, nobody)).toBe(false)
  expect(hasApproval('resume', { reason: 'the plan has expired' }, nobody)).toBe(true)
  for (const operation of ['resume', 'abort'] as const) {
    expect(hasApproval(operation, { reason: 'because', digest: 'd' }, nobody)).toBe(true)
    expect(hasApproval(operation, { reason: 'because', signature: ['rita.sig'] }, nobody)).toBe(true)
    expect(() => hasApproval(operation, { signature: ['rita.sig'] }, nobody)).toThrow('a new approval needs a --reason')
  }
  expect(() => hasApproval('abort', { digest: 'd' }, nobody)).toThrow('a new approval needs a --reason')
})

test('the digest alone says which plan of a run was reviewed; where reviewers are declared, also beside a reason', () => {
  expect(hasApproval('resume', { digest: 'd' }, nobody)).toBe(false)
  expect(hasApproval('resume', { digest: 'd' }, reviewers)).toBe(false)
  expect(hasApproval('resume', { digest: 'd', reason: 'its runner died' }, reviewers)).toBe(false)
})

test('who takes a run back, and why, is in its journal', async () => {
  const { toy, store } = await deployedToy()
  const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  const stopping = new AbortController()
  const driver = toyDriver(toy, {
    demote: async () => {
      stopping.abort(siteError('cancelled', 'somebody pressed Ctrl+C'))
      throw siteError('cancelled', 'somebody pressed Ctrl+C')
    },
  })
  const { run } = await executeFailover(toyWorld(toy, store, { driver, signal: stopping.signal }), plan, toyApproval(digest))
  const world = toyWorld(toy, store)
  const asked = { by: 'sam', reason: 'wrong site' }
  expect(await continueFailover(world, await readRun(world, run), 'abort', async () => toyApproval(digest), asked)).toMatchObject({
    verdict: 'undone',
  })
  const turned = (await openJournal(store, run)).entries.filter(({ kind }) => kind === 'turned-back')
  expect(turned).toEqual([expect.objectContaining(asked)])
})
