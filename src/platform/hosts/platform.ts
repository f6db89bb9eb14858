import { OPERATING } from '../../domain/identities.ts'
import type { Site, SiteName } from '../../domain/stack.ts'
import { quoted } from '../../driver/manual.ts'
import type { ReasonCode } from '../../errors/reason-codes.ts'
import { UNSEEN, type Unseen } from '../../errors/unseen.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Platform } from '../platform.ts'
import { type DeclaredHosts, type DeclaredMachine, declaredHosts, hostsSchema } from './declared-hosts.ts'
import { emptyHostSandbox, SANDBOX_USER } from './empty-sandbox.ts'
import { hostProblems } from './host-problems.ts'
import { ANOTHER_HOST, hostsSignal } from './liveness-signals.ts'
import { reachHosts } from './look.ts'
import { sandboxName } from './sandbox-units.ts'

/** Machines of a site that are reached by ssh. */
export const hostsPlatform: Platform = {
  name: 'hosts',
  schema: hostsSchema,
  problems: hostProblems,
  credentials(site) {
    const ssh = declaredHosts(site)?.ssh
    if (ssh === undefined) return []
    return [
      { reference: ssh.privateKey, identities: OPERATING, because: `the identity's own ssh key for ${site.name}` },
      { reference: ssh.knownHosts, identities: OPERATING, because: `the host keys of ${site.name}` },
    ]
  },
  reach: reachHosts,
  signal: hostsSignal,
  silence,
  stranger: (site, identity) => ({
    code: 'wrong-host',
    short: ANOTHER_HOST,
    what: `on ${site} another host than the declared one answers: ${identity}`,
    compare:
      'Compare machineId and known_hosts in the stack file with the host; one without a machine-id gets it by systemd-machine-id-setup',
  }),
  text: ({ version, latency, parts }) => `${parts?.ready} of ${parts?.total} hosts, ${version}, ${latency} ms`,
  // Rights on hosts are those of the user that logs in: no rule names them yet.
  coreRules: () => [],
  accessObjects: (_stack, site) => {
    const hosts = declaredHosts(site)
    return hosts === undefined ? [] : [accountOn(hosts)]
  },
  sandbox: {
    nameFor: sandboxName,
    empty: emptyHostSandbox,
    labels: (stack, test) => ({ stack, test: test.toLowerCase() }),
    // A command may have been done when its answer is lost: it is not repeated here.
    patient: (context) => context,
  },
  byHand: {
    needs: (sites) =>
      `\`ssh\` to the hosts (${sites.flatMap((site) => logins(site).map((login) => `\`${login}\``)).join(', ')})`,
    apply: (site) => `as root on each host of ${site.name}`,
    identify: (site) =>
      Object.entries(declaredHosts(site)?.machines ?? {})
        .map(
          ([name], index) =>
            `${logins(site)[index]} cat /etc/machine-id   # the machineId of ${name} in the stack file?`,
        )
        .join('\n'),
  },
}

function silence(cause: Unseen, site: SiteName): { readonly code: ReasonCode; readonly next: string } {
  return { code: UNSEEN[cause].code, next: nextOf(cause, site) }
}

function nextOf(cause: Unseen, site: SiteName): string {
  switch (cause) {
    case 'no-network':
      return UNSEEN[cause].next(site)
    case 'name-unresolved':
      return `Look at the resolver of this machine, and at the addresses of the hosts of ${site}.`
    case 'proxy-failed':
      return `Look at the jump host of ${site}.`
    case 'unauthorized':
      return `Add the public key of this identity to the authorized_keys of its user on the hosts of ${site}.`
    default:
      return `Look at the hosts of ${site}, at their sshd, and at the network to them.`
  }
}

/** The account that an administrator makes. */
const accountOn = ({ ssh, machines, sandbox }: DeclaredHosts): JsonObject => ({
  hosts: Object.values(machines).map(({ address }) => address),
  user: ssh.user,
  authorizedKeys: 'one public key for each identity, each with the option restrict',
  ...(ssh.become === undefined ? {} : { sudoers: `${ssh.user} ALL=(root) NOPASSWD: ALL` }),
  ...(sandbox === undefined ? {} : { sandbox: { user: SANDBOX_USER, ...sandbox } }),
})

function jumpOption({ jump, user }: DeclaredHosts['ssh']): string[] {
  if (jump === undefined) return []
  const port = jump.port === undefined ? '' : `:${jump.port}`
  return ['-J', quoted(`${jump.user ?? user}@${jump.host}${port}`)]
}

/** `ssh -p 2222 -J ops@gate standby@10.1.0.11`, for each machine. */
function logins(site: Site): string[] {
  const hosts = declaredHosts(site)
  if (hosts === undefined) return []
  const { ssh } = hosts
  const jump = jumpOption(ssh)
  const portOf = ({ port = ssh.port }: DeclaredMachine): string[] => (port === undefined ? [] : ['-p', String(port)])
  return Object.values(hosts.machines).map((machine) =>
    ['ssh', ...portOf(machine), ...jump, quoted(`${ssh.user}@${machine.address}`)].join(' '),
  )
}
