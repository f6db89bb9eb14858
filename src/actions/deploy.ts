import { connect } from '../composition/connect.ts'
import type { Stack } from '../domain/stack.ts'
import { drivers, witnesses } from '../drivers/registry.ts'
import type { DeployReport } from '../evidence/reports.ts'
import { checkStack } from '../operations/check-stack.ts'
import { deploy } from '../operations/deploy.ts'
import { refuseUnknownComponents } from '../operations/refuse-deploy.ts'
import { checkSummary } from '../reporting/check-summary.ts'
import { deploySummary } from '../reporting/deploy-summary.ts'
import { mask, readCredentials, readDeployInputs } from './inputs.ts'
import { actionLog } from './log.ts'
import { annotationsOf, finish, type Outcome } from './outcome.ts'

const DECISION = {
  failed: 'failure',
  unchanged: 'complete',
  changed: 'continue',
  'would-change': 'continue',
} as const satisfies Record<DeployReport['verdict'], Outcome['decision']>

/** Every site in its declared state, passive sites first. */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readDeployInputs()
    if (inputs.checkOnly) return checked(inputs.stack)
    const judge = (stack: Stack): void => refuseUnknownComponents(stack, inputs.only)
    const given = readCredentials()
    const world = await connect({
      stackPath: inputs.stack,
      judge,
      signal,
      log: actionLog,
      ...given,
      identity: 'deployer',
      mask,
    })
    try {
      const report = await deploy(world, inputs)
      return {
        decision: DECISION[report.verdict],
        reasonCode: report.failure?.code ?? `deploy-${report.verdict}`,
        result: report,
        summary: deploySummary(report),
        failure: report.failure === null ? null : `${report.failure.code}: ${report.failure.what}`,
      }
    } finally {
      await world.close()
    }
  })

/** For pull requests, whose jobs have no secrets: each problem is annotated at its line. */
async function checked(path: string): Promise<Outcome> {
  const report = await checkStack(path, { drivers, witnesses })
  const sound = report.verdict === 'sound'
  return {
    decision: sound ? 'complete' : 'stop',
    reasonCode: sound ? 'stack-sound' : 'stack-invalid',
    result: report,
    annotations: annotationsOf(path, report.problems),
    summary: checkSummary(report),
    failure: sound ? null : `stack-invalid: ${path} is not sound: ${report.problems.length} problems`,
  }
}
