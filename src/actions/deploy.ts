import { connect } from '../composition.ts'
import { deploySummary } from '../evidence/deploy-summary.ts'
import { deploy } from '../operations/deploy.ts'
import { mask, readCredentials, readDeployInputs } from './inputs.ts'
import { actionLog } from './log.ts'
import { finish } from './outcome.ts'

/** Every site in its declared state, passive sites first. */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readDeployInputs()
    const world = await connect({ stackPath: inputs.stack, signal, log: actionLog, env: readCredentials(), mask })
    try {
      const report = await deploy(world, inputs)
      return {
        decision: report.verdict === 'failed' ? 'failure' : report.verdict === 'unchanged' ? 'complete' : 'continue',
        reasonCode: report.failure?.code ?? `deploy-${report.verdict}`,
        result: report,
        summary: deploySummary(report),
        failure: report.failure === null ? null : `${report.failure.code}: ${report.failure.what}`,
      }
    } finally {
      await world.close()
    }
  })
