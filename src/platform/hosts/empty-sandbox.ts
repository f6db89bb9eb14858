import type { SiteName, Stack } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { type StandbyError, siteError } from '../../errors/standby-error.ts'
import { readableDuration } from '../../values/duration.ts'
import type { EmptyingSandbox } from '../platform.ts'
import { HOSTS } from './client.ts'
import { declaredHosts } from './declared-hosts.ts'
import { EXIT, emptying, LEASE, SANDBOX_MARK, type SandboxPlace, unitsOf } from './sandbox-units.ts'

/** The sandbox that a site declares, for one test, and the machine that it is on. Throws `sandbox-missing`. */
export function declaredSandbox(
  stack: Stack,
  site: SiteName,
  name: string,
  test: string,
): { readonly machine: string; readonly place: SandboxPlace; readonly where: string } {
  const declared = declaredHosts(stack.sites.find((one) => one.name === site))?.sandbox
  if (declared === undefined)
    throw siteError('sandbox-missing', `${site} declares no sandbox on its hosts`, {
      where: `sites.${site}.hosts.sandbox`,
      next: 'Declare its machine and directory in the stack file.',
    })
  const { machine, user = SANDBOX_USER } = declared
  const directory = `${declared.directory}/${name}`
  return { machine, place: { directory, units: unitsOf(name), test, user }, where: `${site} ${machine} ${directory}` }
}
/** Where the stack file names no other one. */
export const SANDBOX_USER = 'standby-sandbox'

/**
 * Stops the transient units of the sandbox, removes all files in its directory and proves that nothing is left; the
 * number of units and files. Throws `sandbox-missing`, `sandbox-in-use`, `sandbox-not-empty`.
 */
export async function emptyHostSandbox(
  site: SiteName,
  name: string,
  context: Pick<DriverContext, 'stack' | 'platform'>,
  { signal, deadline, test }: EmptyingSandbox,
): Promise<number> {
  const { machine, place, where } = declaredSandbox(context.stack, site, name, test)
  const { directory } = place
  const result = await context.platform(HOSTS, site).run(machine, emptying(place), { asRoot: true, signal, deadline })
  const refused = refusalOf(result.code, result.stdout, place, where)
  if (refused !== null) throw refused
  if (result.code === EXIT.left)
    throw siteError(
      'sandbox-not-empty',
      `${directory} could not be emptied within ${readableDuration(deadline)}: ${result.stdout.trim().split('\n').join(', ')}`,
      { where, next: 'Look at what is left; the next restore test removes it first.' },
    )
  if (result.code !== 0)
    throw siteError('sandbox-not-empty', `${directory} could not be emptied: ${result.stderr.trim()}`, {
      where,
      next: 'Give the user of the hosts the right to remove what restore tests leave there (become: sudo).',
    })
  return Number(result.stdout.trim())
}

/** Why a program of the sandbox did nothing; null: it did. */
export function refusalOf(code: number, said: string, place: SandboxPlace, where: string): StandbyError | null {
  const { directory, user } = place
  switch (code) {
    case EXIT.missing:
      return siteError('sandbox-missing', `${directory} does not exist, or has no file ${SANDBOX_MARK}`, {
        where,
        next: `Make it as an administrator: mkdir -p ${directory} && touch ${directory}/${SANDBOX_MARK}`,
      })
    case EXIT.userless:
      return siteError('sandbox-missing', `there is no user ${user} for what runs in the sandbox`, {
        where,
        next: `Make it as an administrator: adduser --system --group --no-create-home ${user}; or name another one, without rights, as user of the sandbox in the stack file.`,
      })
    case EXIT.unsupported:
      return siteError('sandbox-unsupported', 'a restore test needs systemd on the machine, and the rights of root', {
        where,
        next: 'Declare become: sudo for the hosts of the site, or a sandbox on a machine with systemd.',
      })
    case EXIT.taken:
      return siteError('sandbox-in-use', `the restore test ${said.trim()} has the sandbox`, {
        where,
        next: `Wait for it to end; where its process has died, the sandbox is free ${readableDuration(LEASE)} after that.`,
      })
    case EXIT.gone:
      return siteError(
        'sandbox-in-use',
        said.trim() === ''
          ? `the sandbox is not this test's any more: its deadline has passed, or nothing was heard of the test for ${readableDuration(LEASE)}`
          : `the restore test ${said.trim()} has taken the sandbox over`,
        { where, next: 'Begin the restore test again.' },
      )
    case EXIT.full:
      return siteError('sandbox-full', `the file system of the sandbox is full: free are ${said.trim()}`, {
        where,
        next: 'Give the sandbox more room. All that ran in it was stopped, because other things may stand on the same file system.',
      })
    default:
      return null
  }
}
