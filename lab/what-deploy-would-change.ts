import type { DeployReport } from '../src/evidence/reports.ts'
import type { PreparedStack } from './prepared-stack.ts'
import { runStandby } from './run-standby.ts'

const TRIES = 5

/** Object by object; a machine that is busy answers late, and is asked again. */
export async function whatDeployWouldChange(stack: PreparedStack, helm?: string): Promise<string[]> {
  for (let tried = 1; ; tried++) {
    const { result } = await runStandby<Partial<DeployReport> & { error?: { code: string; what: string } }>(
      stack,
      'deployer',
      ['deploy', '--dry-run'],
      { helm, quiet: true },
    )
    const refused = result.error ?? result.failure ?? null
    const differs = (result.units ?? []).flatMap(({ id, changes }) =>
      changes.map(({ object, path = '' }) => `${id} ${object} ${path}`),
    )
    // What a guard reports between two looks at its object is no difference the next time.
    if (refused === null && (differs.length === 0 || tried === TRIES)) return differs
    if (refused !== null && tried === TRIES) return [`it is refused: ${refused.code} ${refused.what}`]
  }
}
