import { main as deploy } from './actions/deploy.ts'
import { main as failover } from './actions/failover.ts'
import { main as status } from './actions/status.ts'
import { main as verifyBackup } from './actions/verify-backup.ts'
import { main as commandLine } from './cli/main.ts'
import { outliveClosedPipes } from './runtime/closed-pipes.ts'

/**
 * What the stubs in `dist/` call. All operations are imported at once on purpose: behind `import()` the bundler keeps
 * whole packages that are shaken out otherwise, and the start takes 40 ms longer, not less.
 */
const actions = { status, deploy, failover, 'verify-backup': verifyBackup }

export type ActionName = keyof typeof actions

/** Runs one action to its end, with the inputs that the runner has put into the environment. */
export const runAction = (name: ActionName): Promise<void> => {
  outliveClosedPipes()
  return actions[name]()
}

/** Runs the command line with the arguments of this process. */
export const runCli = (): Promise<void> => {
  outliveClosedPipes()
  return commandLine(process.argv.slice(2))
}
