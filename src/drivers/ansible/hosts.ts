import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { machinesOf, type Playbook } from './spec.ts'

/** What one host says. */
export type HostSeen =
  /** `python`: its version; null: it has none. */
  { readonly is: 'answering'; readonly python: string | null } | { readonly is: 'silent'; readonly why: string }

/** Debian's name; a playbook that brings its own interpreter declares it with `ansible_python_interpreter`. */
const PYTHON = 'python3 -V 2>/dev/null || echo none'

/** Each host of a site, asked over the connection of the platform, which compares the declared machine-id. */
export async function seenHosts(
  component: Playbook,
  site: SiteName,
  context: DriverContext,
  { deadline, signal }: { readonly deadline: Milliseconds; readonly signal: AbortSignal },
): Promise<Readonly<Record<string, HostSeen>>> {
  const declared = context.stack.sites.find(({ name }) => name === site)
  const seen = machinesOf(component, declared).map(async (machine): Promise<[string, HostSeen]> => {
    try {
      return [machine, await askHost(site, machine, context, deadline, signal)]
    } catch (error) {
      signal.throwIfAborted()
      return [machine, { is: 'silent', why: asStandbyError(error).message }]
    }
  })
  return Object.fromEntries(await Promise.all(seen))
}

async function askHost(
  site: SiteName,
  machine: string,
  context: DriverContext,
  deadline: Milliseconds,
  signal: AbortSignal,
): Promise<HostSeen> {
  const { stdout } = await context.platform(HOSTS, site).run(machine, PYTHON, { deadline, signal })
  return { is: 'answering', python: /^Python (\S+)/.exec(stdout.trim())?.[1] ?? null }
}

/**
 * Ansible compares the host key alone: each host is asked before it runs whether it is the declared machine. Throws
 * what `HostsClient.run` throws: `wrong-host`, `ssh-unreachable`, …
 */
export async function proveHosts(
  component: Playbook,
  site: SiteName,
  context: DriverContext,
  signal: AbortSignal,
): Promise<void> {
  const declared = context.stack.sites.find(({ name }) => name === site)
  const asked = machinesOf(component, declared).map((machine) => askHost(site, machine, context, seconds(10), signal))
  await Promise.all(asked)
}
