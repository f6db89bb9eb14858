import { connect } from '../composition.ts'
import { restoreTestSummary } from '../evidence/restore-test-summary.ts'
import { restoreTesting, verifyBackup } from '../operations/verify-backup.ts'
import { mask, readCredentials, readVerifyBackupInputs, setOutput } from './inputs.ts'
import { actionLog } from './log.ts'
import { finish } from './outcome.ts'

/** The nightly question: could this stack be restored from its backups? */
export const main = (): Promise<void> =>
  finish(async (signal) => {
    const inputs = readVerifyBackupInputs()
    const identity = restoreTesting(inputs)
    const world = await connect({ stackPath: inputs.stack, signal, log: actionLog, ...readCredentials(), identity, mask })
    try {
      const { site, fresh } = inputs
      const outcome = await verifyBackup(world, { fresh, ...(site === null ? {} : { site }) })
      setOutput('verdict', outcome.verdict)
      const good = outcome.verdict === 'restorable' || outcome.verdict === 'degraded'
      return {
        decision: good ? 'continue' : 'failure',
        reasonCode: outcome.failure?.code ?? `backup-${outcome.verdict}`,
        result: outcome,
        summary: restoreTestSummary(outcome),
        failure:
          good && outcome.sandbox.removed
            ? null
            : `the backups of ${outcome.source} are ${outcome.verdict}${outcome.failure === null ? '' : `: ${outcome.failure.what}`}`,
      }
    } finally {
      await world.close()
    }
  })
