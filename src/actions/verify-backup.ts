import { connect } from '../composition/connect.ts'
import type { Stack } from '../domain/stack.ts'
import type { RestoreTestOutcome } from '../evidence/reports.ts'
import { refuseUnknownSite, restoreTesting, verifyBackup } from '../operations/verify-backup.ts'
import { restoreTestSummary } from '../reporting/restore-test-summary.ts'
import { mask, readCredentials, readVerifyBackupInputs, setOutput } from './inputs.ts'
import { actionLog } from './log.ts'
import { finish } from './outcome.ts'

function failureOf({ source, verdict, failure }: RestoreTestOutcome): string {
  const why = failure === null ? '' : `: ${failure.what}`
  return `the backups of ${source} are ${verdict}${why}`
}

/** The nightly question: could this stack be restored from its backups? */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readVerifyBackupInputs()
    const identity = restoreTesting(inputs)
    const { site, fresh } = inputs
    const request = { fresh, ...(site === null ? {} : { site }) }
    const judge = (stack: Stack): void => refuseUnknownSite(stack, request)
    const world = await connect({
      stackPath: inputs.stack,
      judge,
      signal,
      log: actionLog,
      ...readCredentials(),
      identity,
      mask,
    })
    try {
      const outcome = await verifyBackup(world, request)
      setOutput('verdict', outcome.verdict)
      const good = outcome.verdict === 'restorable' || outcome.verdict === 'degraded'
      return {
        decision: good ? 'continue' : 'failure',
        reasonCode: outcome.failure?.code ?? `backup-${outcome.verdict}`,
        result: outcome,
        summary: restoreTestSummary(outcome),
        failure: good && outcome.sandbox.removed ? null : failureOf(outcome),
      }
    } finally {
      await world.close()
    }
  })
