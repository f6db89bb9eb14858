import type { Stack } from '../domain/stack.ts'
import { inputError } from '../errors/standby-error.ts'

/**
 * Refuses a plan job that runs in an environment whose reviewers allow moves. GitHub asks once per environment and run,
 * so the reviewers would approve before there is a plan. GitHub ignores the case of environment names. Throws
 * `plan-environment-approves`.
 */
export function refuseApprovingEnvironment(
  { name, approval }: Pick<Stack, 'name' | 'approval'>,
  environment: string | null,
): void {
  const declared = approval.github?.environments ?? []
  if (environment === null || !declared.some((one) => one.toLowerCase() === environment.toLowerCase())) return
  throw inputError(
    'plan-environment-approves',
    `the plan job runs in the environment ${environment}, and ${name} is moved by the reviewers of ${declared.join(' and ')}`,
    {
      where: 'approval.github',
      next: 'Give the plan job an environment of its own, without reviewers and with credentials that can only read.',
    },
  )
}
