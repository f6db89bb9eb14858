import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { quoted } from '../../driver/manual.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type Group, groupSiteOf, type LoginSpec, type Place, redisOf } from './spec.ts'

/** One server that is asked. */
export interface Server {
  readonly kind: 'redis' | 'sentinel'
  readonly site: string
  readonly name: string
}
export interface Asking {
  readonly context: Pick<DriverContext, 'platform' | 'credential' | 'stack'>
  readonly signal: AbortSignal
  /** Of the whole call: login, and all commands. */
  readonly deadline?: Milliseconds
}

/** Stands between the answers of one call: redis-cli prints no other mark. */
const MARK = '--standby--'
/**
 * What answers with the mark. A Redis that loads its data, or is cut off and has `replica-serve-stale-data no`, answers
 * ECHO and no PING; a Sentinel knows PING alone.
 */
const MARKED_BY = { redis: 'ECHO', sentinel: 'PING' } as const
/** As Redis refuses a login or a command, and as redis-cli says it of its own AUTH. */
const DENIED = /^(?:AUTH failed: )?((?:NOAUTH|WRONGPASS|NOPERM) .*)$/m
/** redis-cli waits no longer for a server that does not answer; a Redis that is loaded answers in milliseconds. */
const ASKED_WITHIN: Milliseconds = seconds(4)

/**
 * Sends commands to one server, in one connection and in order, by redis-cli on its machine, and returns the answer to
 * each. redis-cli, and no client of ours: the address of a server leads into a network that only the hosts of its site
 * need to reach, and ssh proves which machine answers. Passwords go in by standard input, and stand in no list of
 * processes. Throws `sentinel-command-failed` (transient) without an answer, and `sentinel-refused`.
 */
export async function ask(
  component: Group,
  server: Server,
  commands: readonly (readonly string[])[],
  { context, signal, deadline = ASKED_WITHIN }: Asking,
): Promise<readonly string[]> {
  const { spec } = component
  const place = placeOf(component, server)
  const where = `${server.site} ${place.host} (${server.name})`
  const loginSpec = spec[server.kind]
  const password = await passwordOf(loginSpec, server, context)
  const lines = commands.flatMap((words) => [words.map(word).join(' '), `${MARKED_BY[server.kind]} ${MARK}`])
  const hosts = context.platform(HOSTS, siteNamed(context, server.site))
  const answer = await hosts.run(place.host, commandLine(component, place, loginSpec, password !== null), {
    stdin: `${[...(password === null ? [] : [password]), ...lines].join('\n')}\n`,
    deadline,
    signal,
  })
  const replies = answer.stdout.split(new RegExp(`^"?${MARK}"?\\r?\\n`, 'm')).slice(0, -1)
  const [, denied] = DENIED.exec(`${answer.stdout}\n${answer.stderr}`) ?? []
  if (denied !== undefined)
    throw codes.error('sentinel-refused', `${server.name} refuses a command: ${denied}`, {
      retry: 'never',
      where,
      next: 'Compare the login in the stack file with the ACL of the server: docs/drivers/redis-sentinel.md lists the commands.',
    })
  if (replies.length !== commands.length)
    throw codes.error('sentinel-command-failed', `${server.name} does not answer: ${saidOf(answer)}`, {
      retry: 'transient',
      where,
      next: `Look at ${place.address} on ${place.host}.`,
      unanswered: true,
    })
  return replies.map((reply) => reply.replace(/\n$/, ''))
}

/**
 * The same for commands that change something: an answer that is an error is thrown. `accepted`: beginnings of errors
 * that the caller judges itself.
 */
export async function tell(
  component: Group,
  server: Server,
  commands: readonly (readonly string[])[],
  asking: Asking,
  accepted: readonly string[] = [],
): Promise<readonly string[]> {
  const replies = await ask(component, server, commands, asking)
  replies.forEach((reply, index) => {
    if (!isError(reply) || accepted.some((beginning) => reply.startsWith(beginning))) return
    const [name = '', ...rest] = commands[index] ?? []
    throw codes.error(
      'sentinel-command-failed',
      `${server.name} answers ${[name, ...rest].join(' ')}: ${reply.trim()}`,
      {
        retry: 'transient',
        where: `${server.site} (${server.name})`,
        next: `Look at the log of ${server.name}.`,
      },
    )
  })
  return replies
}

/** Whether an answer is an error: redis-cli prints its text, which begins with a code. */
export const isError = (reply: string): boolean => /^(\(error\) )?[A-Z][A-Z]{2,}\b/.test(reply)

const saidOf = ({
  code,
  stdout,
  stderr,
}: {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}) => (stderr.trim() || stdout.trim() || `redis-cli ended with ${code}`).split('\n').slice(-2).join(' ')

export const placeOf = (component: Group, { kind, site, name }: Server): Place => {
  if (kind === 'redis') return redisOf(component, site, name)
  const sentinel = groupSiteOf(component, site).sentinels[name]
  if (sentinel === undefined) throw new Error(`${component.name} declares no Sentinel ${name} for ${site}`)
  return sentinel
}

export const hostAndPort = ({ address }: Pick<Place, 'address'>): readonly [host: string, port: string] => {
  const colon = address.lastIndexOf(':')
  return [address.slice(0, colon), address.slice(colon + 1)]
}

/** `redis-cli -h 10.1.0.11 -p 6379 …`, without a password. */
export function clientCommand({ spec }: Group, place: Place, loginSpec: LoginSpec | undefined): string {
  const [host, port] = hostAndPort(place)
  const { tls } = spec
  return [
    ...[spec.client ?? 'redis-cli', '-h', host, '-p', port],
    ...(loginSpec?.user === undefined ? [] : ['--user', loginSpec.user]),
    ...(tls === undefined ? [] : ['--tls']),
    ...(tls?.authority === undefined ? [] : ['--cacert', tls.authority]),
    ...(tls?.certificate === undefined ? [] : ['--cert', tls.certificate]),
    ...(tls?.key === undefined ? [] : ['--key', tls.key]),
  ]
    .map(quoted)
    .join(' ')
}

/** `read` takes no more than its line from standard input (POSIX): what follows is for redis-cli. */
function commandLine(component: Group, place: Place, loginSpec: LoginSpec | undefined, hasPassword: boolean): string {
  const client = `${clientCommand(component, place, loginSpec)} --no-auth-warning`
  return hasPassword ? `IFS= read -r REDISCLI_AUTH && export REDISCLI_AUTH && exec ${client}` : `exec ${client}`
}

/** null: none is declared. Throws `sentinel-refused` for a password that is no line. */
export async function passwordOf(
  loginSpec: LoginSpec | undefined,
  { site }: Pick<Server, 'site'>,
  context: Asking['context'],
): Promise<string | null> {
  if (loginSpec?.password === undefined) return null
  const password = await context.credential(loginSpec.password, siteNamed(context, site))
  if (/[\r\n]/.test(password) || password === '')
    throw codes.error('sentinel-refused', `the password is ${password === '' ? 'empty' : 'more than one line'}`, {
      retry: 'never',
      mustAct: 'input',
      where: site,
      next: 'Write the secret anew, without a line break.',
    })
  return password
}

export function siteNamed({ stack }: Pick<DriverContext, 'stack'>, site: string): SiteName {
  const found = stack.sites.find(({ name }) => name === site)?.name
  if (found === undefined) throw new Error(`there is no site ${site}`)
  return found
}

/** A word for the line reader of redis-cli. */
const word = (text: string): string => (/^[A-Za-z0-9_@%+=:,./*-]+$/.test(text) ? text : JSON.stringify(text))
