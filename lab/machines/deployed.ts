import type { BackupReport, DeployReport } from '../../src/evidence/reports.ts'
import { ensureCanary } from '../canary.ts'
import type { Credentials } from '../ledger/application-client.ts'
import type { PreparedStack } from '../prepared-stack.ts'
import { runStandby } from '../run-standby.ts'
import { untilGreen } from '../until-green.ts'
import { type MachinesEnvironment, readMachinesEnvironment } from './environment.ts'
import { prepareMachinesStack } from './stack.ts'

/** The published stack on the machines of the running lab, deployed as its README says. */
export interface DeployedMachines {
  readonly lab: MachinesEnvironment
  readonly stack: PreparedStack
  readonly credentials: Credentials
  readonly deploy: DeployReport
}

/** Deploys the stack, takes a backup, and waits until the stack is green. A deployed stack is left as it is. */
export async function deployedMachines(signal: AbortSignal): Promise<DeployedMachines> {
  const deployed = await deployOnMachines(signal)
  const backup = await backUpMachines(deployed.stack)
  if (backup.failure !== null) throw new Error(`no backup could be taken: ${backup.failure.what}`)
  await untilGreen(deployed.stack)
  return deployed
}

/** Deploys the stack, and makes its canary. After its first deploy it has no backup, and is not green yet. */
export async function deployOnMachines(
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
  return { lab, stack, credentials, deploy: result }
}

/** Runs `standby backup`. Throws where it is refused before its first step. */
export async function backUpMachines(stack: PreparedStack): Promise<BackupReport> {
  const { result } = await runStandby<BackupReport & { error?: { what: string } }>(stack, 'mover', ['backup'], {
    quiet: true,
  })
  if (result.error !== undefined) throw new Error(`the backup was refused: ${result.error.what}`)
  return result
}
