import type { DeployReport } from '../../src/evidence/reports.ts'
import { ensureCanary } from '../canary.ts'
import type { Credentials } from '../ledger/application-client.ts'
import type { PreparedStack } from '../prepared-stack.ts'
import { runStandby } from '../run-standby.ts'
import { untilGreen } from '../until-green.ts'
import { type MachinesEnvironment, readMachinesEnvironment } from './environment.ts'
import { prepareMachinesStack } from './stack.ts'

/** The published stack on the machines of the running lab, as its user has it after the README: deployed and green. */
export interface DeployedMachines {
  readonly lab: MachinesEnvironment
  readonly stack: PreparedStack
  readonly credentials: Credentials
  readonly deploy: DeployReport
}

/** Deploys the stack, and waits until it is green. A stack that is deployed already is left as it is. */
export async function deployedMachines(
  signal: AbortSignal,
  onLine?: (line: string) => void,
): Promise<DeployedMachines> {
  const lab = await readMachinesEnvironment()
  const stack = await prepareMachinesStack(lab, signal)
  const { code, result } = await runStandby<DeployReport & { error?: { what: string } }>(
    stack,
    'deployer',
    ['deploy'],
    { quiet: true, onLine },
  )
  if (code !== 0)
    throw new Error(`the stack could not be deployed: ${result.failure?.what ?? result.error?.what ?? `code ${code}`}`)
  const credentials = await ensureCanary(stack)
  await untilGreen(stack)
  return { lab, stack, credentials, deploy: result }
}
