import type { SshAccess, SshResult, SshRunner } from '../../clients/ssh.ts'
import type { CredentialReference, Site, SiteName } from '../../domain/stack.ts'
import type { PlatformKey } from '../../driver/platform-key.ts'
import { inputError } from '../../errors/standby-error.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { type DeclaredMachine, declaredHosts } from './declared-hosts.ts'

/** What a driver asks its context for to reach the hosts of a site: `context.platform(HOSTS, site)`. */
export const HOSTS: PlatformKey<HostsClient> = { platform: 'hosts' }

/** The machines of one site, each over one shared connection. */
export interface HostsClient {
  readonly site: SiteName
  /** By the names of the stack file. */
  readonly machines: Readonly<Record<string, DeclaredMachine>>
  /**
   * Runs a command line in the shell of a machine; any exit code but 255 is a result. Throws as `SshRunner.run` does,
   * and `unknown-host`.
   */
  run(machine: string, command: string, options?: HostCall): Promise<SshResult>
}
export interface HostCall {
  readonly stdin?: string
  /** Default 10 s. */
  readonly deadline?: Milliseconds
  readonly signal?: AbortSignal
  /** With the rights of root, by the declared `become`. */
  readonly asRoot?: boolean
}

export interface OpeningHosts {
  ssh(access: SshAccess): SshRunner
  credential(reference: CredentialReference): Promise<string>
}

/** The client of the hosts that a site declares; null where it declares none. Contacts nothing yet. */
export function openHosts(site: Site, around: OpeningHosts): HostsClient | null {
  const hosts = declaredHosts(site)
  if (hosts === undefined) return null
  const { ssh, machines } = hosts
  const runnerOf = async ({ address, port = ssh.port }: DeclaredMachine): Promise<SshRunner> => {
    const [privateKey, knownHosts] = await Promise.all([
      around.credential(ssh.privateKey),
      around.credential(ssh.knownHosts),
    ])
    const { jump, user } = ssh
    return around.ssh({ host: address, port, user, privateKey, knownHosts, ...(jump === undefined ? {} : { jump }) })
  }
  return {
    site: site.name,
    machines,
    async run(name, command, { stdin, deadline, signal, asRoot = false } = {}) {
      const machine = machines[name]
      if (machine === undefined)
        throw inputError('unknown-host', `${site.name} declares no host ${name}`, {
          where: `sites.${site.name}.hosts.machines`,
          next: `Name one of ${Object.keys(machines).join(', ')}.`,
        })
      const runner = await runnerOf(machine)
      return runner.run(asRoot && ssh.become === 'sudo' ? asRootLine(command) : command, stdin, deadline, signal)
    },
  }
}

/** `-n`: without a password, or not at all. */
const asRootLine = (command: string): string => `sudo -n -- sh -c '${command.replaceAll("'", `'\\''`)}'`
