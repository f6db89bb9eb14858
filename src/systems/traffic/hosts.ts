import { type CredentialUse, OPERATING } from '../../domain/identities.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { quoted } from '../../driver/manual.ts'
import type { Reach } from '../../driver/reach.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { Instance, Verification } from './load-balancers.ts'

/** Load balancers on hosts that are reached by ssh: what their drivers declare alike, and how they are asked. */
export interface OnHosts {
  readonly instances: readonly HostInstance[]
  readonly ssh: HostLogin
  readonly verify?: Verification
}
export interface HostInstance extends Omit<Instance, 'name'> {
  readonly host: string
}
export interface HostLogin {
  readonly user: string
  readonly port?: number
  readonly privateKey: CredentialReference
  readonly knownHosts: CredentialReference
}

/** Runs a command line on the host of an instance. */
export type HostRunner = (
  command: string,
  stdin: string,
  signal: AbortSignal,
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>

/** An instance that is gone is known before the whole observation is given up. */
const CONNECT_TIMEOUT: Milliseconds = seconds(2)

/** A runner for one host, over the operation's shared connection; `deadline` bounds each command. */
export async function hostRunner(
  { user, port, privateKey, knownHosts }: HostLogin,
  host: string,
  context: Pick<DriverContext, 'ssh' | 'credential'>,
  { reach, deadline }: { readonly reach: Reach; readonly deadline: Milliseconds },
): Promise<HostRunner> {
  const runner = context.ssh(
    {
      host,
      user,
      port,
      privateKey: await context.credential(privateKey),
      knownHosts: await context.credential(knownHosts),
      connectTimeout: CONNECT_TIMEOUT,
    },
    reach,
  )
  return (command, stdin, signal) => runner.run(command, stdin, deadline, signal)
}

export const instancesOf = ({ instances }: OnHosts): Instance[] =>
  instances.map(({ host, ...instance }) => ({ name: host, ...instance }))

/** Each identity that looks at the stack asks its load balancers; no way to ask them needs less than the login. */
export const loginUses = ({ ssh }: OnHosts): CredentialUse[] =>
  [ssh.privateKey, ssh.knownHosts].map((reference) => ({
    reference,
    identities: OPERATING,
    because: 'logs in to the load balancers',
  }))

/** A command line by ssh on each load balancer, or on those that are named, for a person. */
export function onEachHost({ ssh, instances }: OnHosts, line: string, only?: readonly string[]): string[] {
  const hosts = instances.map(({ host }) => host).filter((host) => only === undefined || only.includes(host))
  const port = ssh.port === undefined ? '' : `-p ${ssh.port} `
  return hosts.map((host) => `ssh ${port}${ssh.user}@${host} ${quoted(line)}`)
}

/** What a person types to see from outside which site serves. */
export const fromOutside = ({ instances, verify }: OnHosts): string[] =>
  instances.map(
    ({ url }) =>
      `curl -sS -o /dev/null -D - ${quoted(url)}${verify === undefined ? '' : ` | grep -i ${quoted(`^${verify.header}:`)}`}`,
  )
