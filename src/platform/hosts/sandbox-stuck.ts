import { type StandbyError, siteError } from '../../errors/standby-error.ts'
import { lastWords } from '../../values/last-words.ts'
import type { HostSandbox } from './sandbox.ts'

/** The sandbox is the trouble, and not the backup. `said`: by the program that failed. */
export const sandboxStuck = (
  { machine, directory }: Pick<HostSandbox, 'machine' | 'directory'>,
  what: string,
  said: string,
): StandbyError =>
  siteError('sandbox-stuck', `${what}: ${lastWords(said)}`, {
    where: `${machine} ${directory}`,
    next: 'Give the sandbox what it needs, and test again.',
  })
