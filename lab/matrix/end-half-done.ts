import type { MoveReport } from '../../src/evidence/reports.ts'
import type { LabEnvironment } from '../environment.ts'
import { type CommandResult, runStandby } from '../run-standby.ts'
import type { LabStack } from '../stacks.ts'

/**
 * Ends what a broken case has left half done, so that the next one finds a stack to begin with: it is taken back, or,
 * after the point of no return, brought to its end with the digest of its plan. A run that ended refuses both, and says
 * so.
 */
export async function endHalfDone(
  stack: LabStack,
  { programs, githubUrl }: LabEnvironment,
  digest: string | null,
): Promise<void> {
  const env = { GITHUB_TOKEN: 'token-of-the-operator', GITHUB_API_URL: githubUrl ?? '' }
  const end = (args: readonly string[]): Promise<CommandResult<MoveReport> | null> =>
    runStandby<MoveReport>(stack, 'mover', ['failover', ...args], { helm: programs.helm, quiet: true, env }).catch(
      () => null,
    )
  const takenBack = await end(['abort'])
  if (takenBack?.result.verdict !== 'undone' && digest !== null) await end(['resume', '--digest', digest])
}
