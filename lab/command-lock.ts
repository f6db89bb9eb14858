import { withProcessLock } from './process-lock.ts'

/** Beside the lab's own directory, because `down` removes that. */
const file = '/run/standby-lab.lock'

/** Runs one lab command at a time. */
export const withCommandLock = <T>(run: () => Promise<T>): Promise<T> =>
  withProcessLock(
    file,
    async (holder) => {
      throw new Error(
        `lab-busy: another lab command (process ${holder}) is at work. Wait for it, or end it with  kill ${holder}`,
      )
    },
    run,
  )
