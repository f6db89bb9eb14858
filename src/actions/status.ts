import { connect } from '../composition/connect.ts'
import { status } from '../operations/status.ts'
import { statusSummary } from '../reporting/status-summary.ts'
import { mask, readCredentials, readStatusInputs, setOutput } from './inputs.ts'
import { actionLog } from './log.ts'
import { finish } from './outcome.ts'

/** The root action: both sites side by side, read-only. */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readStatusInputs()
    const world = await connect({
      stackPath: inputs.stack,
      signal,
      log: actionLog,
      ...readCredentials(),
      identity: 'observer',
      mask,
    })
    try {
      const report = await status(world)
      setOutput('active-site', report.activeSite ?? '')
      setOutput('epoch', String(report.epoch ?? ''))
      const bad =
        report.verdict === 'broken'
          ? inputs.failOn !== 'never'
          : report.verdict === 'degraded' && inputs.failOn === 'degraded'
      const { observation: _, ...result } = report
      return {
        decision: report.verdict === 'broken' ? 'stop' : 'continue',
        reasonCode: `status-${report.verdict}`,
        result,
        summary: statusSummary(report),
        failure: bad
          ? `${report.stack} is ${report.verdict}: ${report.findings.map((finding) => finding.what).join('; ')}`
          : null,
      }
    } finally {
      await world.close()
    }
  })
