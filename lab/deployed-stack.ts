import type { BackupReport, DeployReport, StatusReport } from '../src/evidence/reports.ts'
import { ensureCanary } from './canary.ts'
import { type LabEnvironment, readLabEnvironment } from './environment.ts'
import type { Credentials } from './ledger/application-client.ts'
import { runStandby } from './run-standby.ts'
import { type LabStack, prepareStack, type Wishes } from './stacks.ts'
import { untilGreen } from './until-green.ts'

/**
 * A published stack on the running lab, as its user has it after the README: deployed, written to, backed up, green.
 */
export interface DeployedStack {
  readonly lab: LabEnvironment
  readonly stack: LabStack
  readonly credentials: Credentials
}

export async function deployedStack(wishes: Wishes = {}): Promise<DeployedStack> {
  const lab = await readLabEnvironment()
  const { helm } = lab.programs
  const stack = await prepareStack('infisical-kubernetes', lab, new AbortController().signal, wishes)
  const deployed = await runStandby<DeployReport>(stack, 'deployer', ['deploy'], { helm })
  if (deployed.code !== 0) throw new Error(`the stack could not be deployed: ${deployed.result.failure?.what ?? ''}`)
  const credentials = await ensureCanary(stack)
  const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
  if (result.verdict !== 'green') {
    const backup = await runStandby<BackupReport>(stack, 'mover', ['backup'], { helm })
    if (backup.code !== 0) throw new Error(`the stack could not be backed up: ${backup.result.failure?.what ?? ''}`)
  }
  await untilGreen(stack, helm)
  return { lab, stack, credentials }
}
