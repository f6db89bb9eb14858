import type { Way } from '../../clients/patience.ts'
import { SILENCE } from '../../clients/patience.ts'
import { measuredWay, sshAddress } from '../../clients/round-trip.ts'
import type { SshAccess, SshResult, SshRunner } from '../../clients/ssh.ts'
import type { CredentialReference, Site, SiteName } from '../../domain/stack.ts'
import type { PlatformKey } from '../../driver/platform-key.ts'
import { inputError, StandbyError, siteError } from '../../errors/standby-error.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { type DeclaredHosts, type DeclaredMachine, declaredHosts } from './declared-hosts.ts'

/** What a driver asks its context for to reach the hosts of a site: `context.platform(HOSTS, site)`. */
export const HOSTS: PlatformKey<HostsClient> = { platform: 'hosts' }

/** The machines of one site, each over one shared connection. */
export interface HostsClient {
  readonly site: SiteName
  /** By the names of the stack file. */
  readonly machines: Readonly<Record<string, DeclaredMachine>>
  /**
   * Runs a command line in the POSIX shell of a machine; any exit code but 255 is a result. The same shell first
   * compares the declared machine-id, so that nothing runs on another machine, whichever connection carries it. Throws
   * as `SshRunner.run` does, `unknown-host`, and `wrong-host` for a machine that is not, or cannot be proven to be, the
   * declared one (then nothing was run).
   */
  run(machine: string, command: string, options?: HostCall): Promise<SshResult>
  /** Who answers, without any comparison but that of the host key: for the observation alone. Throws as `run` does. */
  identify(machine: string, signal?: AbortSignal): Promise<HostIdentity>
  /** The longest round trip to the machines, as far as it is known: ms. */
  readonly way: Way
}
export interface HostIdentity {
  /** Content of /etc/machine-id; null where there is none. */
  readonly machineId: string | null
  /** `Linux 6.1.0-18-amd64` */
  readonly system: string
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
  const declared = (name: string): DeclaredMachine => declaredMachineOf(site, name)
  return {
    site: site.name,
    machines,
    async run(name, command, { stdin, deadline, signal, asRoot = false } = {}) {
      const machine = declared(name)
      const runner = await runnerOf(machine)
      const line = asRoot && ssh.become === 'sudo' ? asRootLine(command) : command
      const { machineId } = machine
      if (machineId === undefined) return runner.run(line, stdin, deadline, signal)
      const result = await runner.run(onlyOn(machineId, line), stdin, deadline, signal)
      const another = wrongHostIn(result, site.name, name, machineId)
      if (another !== null) throw another
      return result
    },
    async identify(name, signal) {
      const runner = await runnerOf(declared(name))
      const { code, stdout, stderr } = await runner.run(WHO, undefined, undefined, signal)
      if (code !== 0) throw speechless(name, code, stderr)
      const [system = '', machineId = ''] = stdout.split('\n').map((line) => line.trim())
      return { machineId: machineId === '' ? null : machineId, system }
    },
    way: longest(Object.values(machines).map((machine) => wayTo(ssh, machine))),
  }
}

/** A machine of a site by its name. Throws `unknown-host`. */
export function declaredMachineOf(site: Site, name: string): DeclaredMachine {
  const { machines = {} } = declaredHosts(site) ?? {}
  const machine = machines[name]
  if (machine !== undefined) return machine
  throw inputError('unknown-host', `${site.name} declares no host ${name}`, {
    where: `sites.${site.name}.hosts.machines`,
    next: `Name one of ${Object.keys(machines).join(', ')}.`,
  })
}

/** What a host is asked: two lines, of which the second is empty where there is no machine-id. */
const WHO = 'uname -sr && { cat /etc/machine-id 2>/dev/null || echo; }'

/** The shell of a host answered with an error: it lives, and the host key has proved who it is. */
const speechless = (name: string, code: number, stderr: string): StandbyError =>
  new StandbyError({
    code: 'ssh-unreachable',
    mustAct: 'site',
    what: `${name} does not say who it is: exit ${code}: ${stderr.trim()}`,
    retry: 'transient',
    unseen: 'api-error',
  })

/** The exit code, beside a line on stderr, of a shell that found itself on another machine: no program ends so. */
const ANOTHER = 86
const MARK = 'standby: another machine:'

/** Runs a line where the machine-id is this one; `read` is of the shell itself and leaves stdin alone. */
export const onlyOn = (machineId: string, line: string): string =>
  `id=; { read -r id </etc/machine-id; } 2>/dev/null; [ "$id" = ${machineId} ] || { echo "${MARK} $id" >&2; exit ${ANOTHER}; }
${line}`

/** The machine-id that was found, empty for none; null: the code was the program's own. */
const ofAnother = (stderr: string): string | null =>
  stderr
    .split('\n')
    .find((line) => line.startsWith(MARK))
    ?.slice(MARK.length)
    .trim() ?? null

/** The error of `onlyOn` on another machine, where it ran nothing; null: it ran on the declared one. */
export function wrongHostIn(result: SshResult, site: SiteName, name: string, machineId: string): StandbyError | null {
  const found = result.code === ANOTHER ? ofAnother(result.stderr) : null
  return found === null ? null : wrongHost(site, name, machineId, found)
}

/** What must not be done on a machine, because it is not proven to be the declared one. */
function wrongHost(site: SiteName, name: string, declared: string, found: string): StandbyError {
  const where = `sites.${site}.hosts.machines.${name}`
  return found === ''
    ? siteError('wrong-host', `${name} has no /etc/machine-id, and ${declared} is declared: nothing was run there`, {
        where,
        next: NO_MACHINE_ID,
      })
    : siteError(
        'wrong-host',
        `${name} has the machine-id ${found}, and ${declared} is declared: nothing was run there`,
        {
          where,
          next: 'Find out which machine has this address now; if it was set up anew, correct machineId in the stack file.',
        },
      )
}
export const NO_MACHINE_ID =
  'Give the host a machine-id (as root: systemd-machine-id-setup) and declare it; or declare none, then its host key alone proves who it is.'

/** Through a jump host the way ends there: what is after it is not known. */
const wayTo = ({ jump, port }: DeclaredHosts['ssh'], machine: DeclaredMachine): Way =>
  measuredWay(
    jump === undefined ? sshAddress(machine.address, machine.port ?? port) : sshAddress(jump.host, jump.port),
    SILENCE,
  )

/** Asked when it is needed: a way is measured once an answer is late. */
const longest = (ways: readonly Way[]): Way => ({
  get roundTrip() {
    const known = ways.flatMap(({ roundTrip }) => (roundTrip === null ? [] : [roundTrip]))
    return known.length === 0 ? null : Math.max(...known)
  },
})

/** `-n`: without a password, or not at all. */
const asRootLine = (command: string): string => `sudo -n -- sh -c '${command.replaceAll("'", `'\\''`)}'`
