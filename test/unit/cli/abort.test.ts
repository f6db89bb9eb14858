import { expect, test } from '@jest/globals'
import { abortApproval } from '../../../src/approval/resume-approval.ts'
import { judgeStoredApproval } from '../../../src/approval/stored-approval.ts'
import { hasApproval } from '../../../src/cli/failover-commands.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { continueFailover, readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { Unreadable } from '../../../src/witness/damage.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { approvalKey } from '../../../src/witness/keys.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
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

/** A switchover that was cancelled in its demotion, and left its lock. */
async function cancelled() {
  const { toy, store } = await deployedToy()
  const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  const stopping = new AbortController()
  const driver = toyDriver(toy, {
    demote: async () => {
      stopping.abort(siteError('cancelled', 'somebody pressed Ctrl+C'))
      throw siteError('cancelled', 'somebody pressed Ctrl+C')
    },
  })
  const { run } = await executeFailover(
    toyWorld(toy, store, { driver, signal: stopping.signal }),
    plan,
    toyApproval(digest),
  )
  return { world: toyWorld(toy, store), store, run, plan, digest }
}

test('who takes a run back, and why, is in its journal', async () => {
  const { world, store, run, digest } = await cancelled()
  const asked = { by: 'sam', reason: 'wrong site' }
  expect(
    await continueFailover(world, await readRun(world, run), 'abort', async () => toyApproval(digest), asked),
  ).toMatchObject({
    verdict: 'undone',
  })
  const turned = (await openJournal(store, run)).entries.filter(({ kind }) => kind === 'turned-back')
  expect(turned).toEqual([expect.objectContaining(asked)])
})

const lost: readonly [string, (store: MemoryStore, key: string) => void][] = [
  [
    'holds nothing of an approval',
    ({ documents }, key) => void documents.set(key, { body: { kind: 7 }, version: '1' }),
  ],
  [
    'is no JSON',
    ({ documents }, key) => void documents.set(key, { body: new Unreadable('is no JSON') as never, version: '1' }),
  ],
  ['is gone', ({ documents }, key) => void documents.delete(key)],
]
test.each(lost)(
  'a run is taken back also when the approval in the witness %s: an abort does not depend on it',
  async (_, spoil) => {
    const { world, store, run, plan, digest } = await cancelled()
    spoil(store, approvalKey(run))
    // Without a name: the lock says which run is unfinished.
    const kept = await readRun(world, null)
    expect(kept).toMatchObject({ run, approval: null })
    // Signatures that cannot be judged any more do not let the run go on; the error names the way out.
    const stack = { ...toyStack, approval: { ...toyStack.approval, signatures: { required: 1, keys: [] } } }
    expect(() => judgeStoredApproval({ stored: kept.approval, run, plan, stack, now: new Date(plan.madeAt) })).toThrow(
      expect.objectContaining({ code: 'approval-unreadable', next: expect.stringContaining(`--resume ${run}`) }),
    )
    const allowed = async () => abortApproval({ run, digest, requestedBy: 'sam', reason: null })
    expect(await continueFailover(world, kept, 'abort', allowed)).toMatchObject({ verdict: 'undone' })
  },
)
