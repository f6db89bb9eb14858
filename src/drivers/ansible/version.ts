import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type Playbook, programOf } from './spec.ts'

/** The oldest ansible-core that was tried, of Debian 12; and the first one that may speak otherwise. */
const OLDEST = [2, 14] as const
const BEYOND = 3

/** The version of ansible-core, asked once per process. Throws `ansible-version`, and what `context.run` throws. */
export function ansibleVersion(component: Playbook, site: SiteName, context: DriverContext): Promise<string> {
  const program = programOf(component)
  return context.once(`ansible version ${program}`, async () => {
    const options = { deadline: seconds(60), env: { LC_ALL: 'C.UTF-8' }, cwd: context.stack.source.directory }
    const { stdout, stderr } = await context.run(
      program,
      ['--version'],
      { ...options, signal: context.signal },
      { site },
    )
    return acceptedVersion(program, stdout, stderr)
  })
}

/** The version in `ansible-playbook [core 2.19.14]`. Pure. */
export function acceptedVersion(program: string, stdout: string, stderr = ''): string {
  const found = /\[core (\d+)\.(\d+)\.(\S+?)\]/.exec(stdout)
  if (found === null)
    throw codes.error(
      'ansible-version',
      `${program} --version names no version of ansible-core: ${(stderr || stdout).trim().slice(0, 200)}`,
      {
        retry: 'never',
        where: program,
        next: 'Name ansible-playbook of ansible-core as program.',
      },
    )
  const [, major, minor, patch] = found
  const version = `${major}.${minor}.${patch}`
  const [oldestMajor, oldestMinor] = OLDEST
  const tooOld = Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor)
  if (!tooOld && Number(major) < BEYOND) return version
  throw codes.error(
    'ansible-version',
    `${program} is ansible-core ${version}; ${OLDEST.join('.')} or newer, before ${BEYOND}.0, is needed`,
    {
      retry: 'never',
      where: program,
      next: 'Install another version, or name its ansible-playbook as program.',
    },
  )
}
