import { expect, test } from '@jest/globals'
import { refuseApprovingEnvironment } from '../../../src/approval/approving-environment.ts'
import type { Stack } from '../../../src/domain/stack.ts'

const declared = { environments: ['production-failover', 'production-second'], branch: 'main', approvers: 2 }
const stack = { name: 'vault', approval: { github: declared } } as unknown as Stack

test.each(['production-failover', 'production-second', 'PRODUCTION-Second'])(
  'a plan job in an environment that approves is refused, in any case of letters: %s',
  (environment) => {
    expect(() => refuseApprovingEnvironment(stack, environment)).toThrow(
      expect.objectContaining({ code: 'plan-environment-approves', message: expect.stringContaining(environment) }),
    )
  },
)

test('a plan job is not refused in an environment of its own, without one, or where GitHub asks for no approval', () => {
  refuseApprovingEnvironment(stack, 'production-observe')
  refuseApprovingEnvironment(stack, null)
  refuseApprovingEnvironment({ name: 'vault', approval: { github: null } } as unknown as Stack, 'production-failover')
})
