import { delimiter, join } from 'node:path'
import { test } from '@jest/globals'
import { ensureAnsible } from '../../lab/ansible/ansible.ts'
import { execute } from '../../lab/execute.ts'
import { rolesOfStack } from '../../lab/machines/deployment.ts'

test('the published roles are as ansible-lint wants roles to be that others use', async () => {
  const bin = await ensureAnsible(AbortSignal.timeout(300_000))
  const env = { PATH: [bin, process.env.PATH ?? ''].join(delimiter) }
  await execute(join(bin, 'ansible-lint'), ['--offline', '--nocolor'], { cwd: rolesOfStack, env, deadline: 300_000 })
}, 600_000)
