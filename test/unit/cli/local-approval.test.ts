import { expect, test } from '@jest/globals'
import { localApproval } from '../../../src/cli/approve-command.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { deployedToy, toyClock, toyStack, toyWorld } from '../../support/toy-stack.ts'
import { quickSigner } from '../approval/signers.ts'

test('signatures hold as long as the plan by the time of the witness, whatever the clock of this machine says', async () => {
  const { name, key } = quickSigner('rita')
  const stack = { ...toyStack, approval: { ...toyStack.approval, signatures: { required: 1, keys: [{ name, key }] } } }
  const { toy, store } = await deployedToy()
  const { plan } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
  const [before, after] = [new Date(plan.madeAt), new Date(plan.expiresAt)]
  const codeAt = (witness: Date, machine: Date): Promise<string> =>
    localApproval(
      { stack, store: { ...store, time: async () => witness }, clock: { ...toyClock(), now: () => machine } },
      plan,
      {
        reason: 'GitHub is down',
        requestedBy: 'sam',
      },
    ).then(
      () => 'approved',
      ({ code }: { readonly code: string }) => code,
    )
  expect(await codeAt(after, before)).toBe('plan-expired')
  // There is no signature: the expiry is not the reason.
  expect(await codeAt(before, after)).toBe('approval-missing')
})
