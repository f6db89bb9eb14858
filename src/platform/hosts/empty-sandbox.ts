import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { siteError } from '../../errors/standby-error.ts'
import { readableDuration } from '../../values/duration.ts'
import type { EmptyingSandbox } from '../platform.ts'
import { HOSTS } from './client.ts'
import { declaredHosts } from './declared-hosts.ts'

/** Marks a directory that restore tests may empty; nothing is ever removed from a directory without it. */
export const SANDBOX_MARK = '.standby-sandbox'

/** The name of a directory, and the beginning of the names of the transient units that run in it. */
export const sandboxName = (stack: string): string => `standby-restore-${stack}`

const [MISSING, LEFT] = [44, 45]

/**
 * Stops the transient units of the sandbox, removes all files in its directory and proves that nothing is left; the
 * number of units and files. Throws `sandbox-missing`, `sandbox-not-empty`.
 */
export async function emptyHostSandbox(
  site: SiteName,
  name: string,
  context: DriverContext,
  { signal, deadline }: EmptyingSandbox,
): Promise<number> {
  const declared = declaredHosts(context.stack.sites.find((one) => one.name === site))?.sandbox
  if (declared === undefined)
    throw siteError('sandbox-missing', `${site} declares no sandbox on its hosts`, {
      where: `sites.${site}.hosts.sandbox`,
      next: 'Declare its machine and directory in the stack file.',
    })
  const directory = `${declared.directory}/${name}`
  const where = `${site} ${declared.machine} ${directory}`
  const result = await context
    .platform(HOSTS, site)
    .run(declared.machine, emptying(directory, name), { asRoot: true, signal, deadline })
  if (result.code === MISSING)
    throw siteError('sandbox-missing', `${directory} does not exist, or has no file ${SANDBOX_MARK}`, {
      where,
      next: `Make it as an administrator: mkdir -p ${directory} && touch ${directory}/${SANDBOX_MARK}`,
    })
  if (result.code === LEFT)
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

/**
 * A program for a POSIX shell; directory and name hold no character that a shell reads. `-xdev`: no other file system.
 */
const emptying = (directory: string, name: string): string => `set -eu
[ -d ${directory} ] && [ ! -L ${directory} ] && [ -f ${directory}/${SANDBOX_MARK} ] || exit ${MISSING}
units=
if [ -d /run/systemd/system ]; then
  units=$(systemctl list-units --all --plain --no-legend '${name}-*' | cut -d' ' -f1)
  [ -z "$units" ] || systemctl stop $units
fi
files=$(find ${directory} -xdev -mindepth 1 ! -path ${directory}/${SANDBOX_MARK} | wc -l)
find ${directory} -xdev -mindepth 1 ! -path ${directory}/${SANDBOX_MARK} -delete
left=$(find ${directory} -mindepth 1 ! -path ${directory}/${SANDBOX_MARK} | head -n 20)
[ -z "$left" ] || { echo "$left"; exit ${LEFT}; }
echo $(( files + $(echo $units | wc -w) ))`
