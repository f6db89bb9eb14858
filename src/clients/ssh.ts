import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inputError, StandbyError, siteError } from '../errors/standby-error.ts'
import type { Unseen } from '../errors/unseen.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../values/duration.ts'
import { CALL, LOGIN, overWay, SILENCE } from './patience.ts'
import { maskSecrets, type ProcessResult, runProcess } from './process.ts'
import { measuredWay, sshAddress } from './round-trip.ts'
import { withinWay } from './within-way.ts'

export interface SshAccess {
  readonly host: string
  readonly port?: number | undefined
  readonly user: string
  /** Content of a private key without passphrase, or the path of one. */
  readonly privateKey: string
  /** Content of a known_hosts file, or the path of one: the only keys that the host may have. */
  readonly knownHosts: string
  /** The connection goes through this host, with the same key and known_hosts. */
  readonly jump?: JumpHost
  /** A host that does not say who it is for so long, over a short way, is unreachable. */
  readonly connectTimeout?: Milliseconds
  /** Ends all calls. */
  readonly signal?: AbortSignal
}

export interface JumpHost {
  readonly host: string
  readonly port?: number | undefined
  /** Default: the user of the host that is reached through it. */
  readonly user?: string | undefined
}

export interface SshRunner {
  /**
   * Runs a command line in the remote user's shell; any exit code but 255 is a result. Throws `ssh-unreachable`,
   * `ssh-denied`, `ssh-host-key-mismatch`, `process-timeout` (then the remote command may go on), or the reason of the
   * signal. The deadline is meant for a short way: over a longer one, which is measured when the answer is late, it is
   * so many round trips longer (`patience.ts`).
   */
  run(command: string, stdin?: string, deadline?: Milliseconds, signal?: AbortSignal): Promise<SshResult>
  /** Ends the shared connection and removes what was written to disk. */
  close(): Promise<void>
}
export type SshResult = Pick<ProcessResult, 'code' | 'stdout' | 'stderr'>

/** The folders of open runners, which hold keys: one listener for all, for a site may have many hosts. */
const homes = new Set<string>()
const remove = (home: string): void => {
  rmSync(home, { recursive: true, force: true })
  homes.delete(home)
}
function removedAtExit(home: string): void {
  if (homes.size === 0 && !process.listeners('exit').includes(removeAll)) process.on('exit', removeAll)
  homes.add(home)
}
const removeAll = (): void => {
  for (const home of homes) remove(home)
}

const DEADLINE: Milliseconds = seconds(10)
/** Of the process; each call ends it at its own deadline. */
const LONGEST: Milliseconds = minutes(60)
/** The shared connection ends by itself when we die without `close`. */
const IDLE = 300

/**
 * Runs commands on one host over one shared, authenticated connection. Reads no configuration, agent or key of the
 * machine. Contacts nothing yet.
 */
export function sshRunner(
  access: SshAccess,
  way = measuredWay(sshAddress(access.jump?.host ?? access.host, (access.jump ?? access).port), SILENCE),
): SshRunner {
  const home = mkdtempSync(join(tmpdir(), 'standby-ssh-'))
  removedAtExit(home)
  const identity = fileOf(access.privateKey, 'the private key', home, 'key')
  const knownHosts = fileOf(access.knownHosts, 'known_hosts', home, 'known_hosts')
  // After a deadline the shared connection may be dead without knowing it: the next command gets a new one.
  let generation = 0
  const control = (): string => join(home, `c${generation}`)
  const port = access.port ?? 22
  const where = `${access.user}@${access.host}:${port}`
  const saidByJump = join(home, 'jump')
  const trust = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: '/dev/null',
    UpdateHostKeys: 'no',
    IdentityFile: identity,
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    PreferredAuthentications: 'publickey',
    LogLevel: 'ERROR',
  }
  const options = {
    ...trust,
    // Each call has its own deadline. ssh ends silently after 35 s of silence, which is longer than TCP pauses
    // after two lost packets (20 s).
    ServerAliveInterval: '5',
    ServerAliveCountMax: '6',
    ControlMaster: 'auto',
    ControlPersist: String(IDLE),
    ...(access.jump === undefined
      ? {}
      : { ProxyCommand: through(access.jump, access.user, { ...trust, LogLevel: 'INFO' }, saidByJump) }),
  }
  const loginWithin = (): Milliseconds => overWay(way, access.connectTimeout ?? SILENCE, LOGIN)
  const argv = (login = loginWithin()): string[] => [
    ...['-F', 'none', '-T', '-p', String(port), '-l', access.user, '-S', control()],
    ...['-o', `ConnectTimeout=${Math.ceil(login / 1_000)}`],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ]

  return {
    async run(command, stdin = '', deadline = DEADLINE, signal = undefined) {
      const patience = existsSync(control()) ? CALL : LOGIN
      let refused: StandbyError | null = null
      let loginWasLate = false
      const attempt = async (login: Milliseconds, ending: AbortSignal): Promise<SshResult> => {
        const limits = { deadline: LONGEST, input: stdin, secrets: [access.privateKey], signal: ending }
        const result = await runProcess('ssh', [...argv(login), '--', access.host, command], limits)
        loginWasLate = result.code === 255 && BEFORE_LOGIN.test(result.stderr)
        if (result.code === 255) throw refusal(result.stderr, textOf(saidByJump), where, access)
        return { code: result.code, stdout: result.stdout, stderr: result.stderr }
      }
      const attempts = async (ending: AbortSignal): Promise<SshResult> => {
        const login = loginWithin()
        try {
          return await attempt(login, ending)
        } catch (error) {
          if (!(error instanceof StandbyError) || error.code !== 'ssh-unreachable') throw error
          refused = error
          await way.settled()
          // A connection that is cut later may have carried the command: its caller looks before it repeats it.
          if (!loginWasLate || ending.aborted || loginWithin() <= login) throw error
          // The way is longer than the time that the login had.
          refused = null
          return attempt(loginWithin(), ending)
        }
      }
      const late = (waited: Milliseconds): StandbyError => {
        if (refused !== null) return refused
        generation++
        const what = `a command on ${access.host} did not end within ${readableDuration(waited)}; it may go on`
        return new StandbyError({ code: 'process-timeout', mustAct: 'timeout', what, where, retry: 'transient' })
      }
      return withinWay(way, { deadline, trips: patience }, [access.signal, signal], attempts, late)
    },

    async close() {
      for (; generation >= 0; generation--)
        await runProcess('ssh', [...argv(), '-O', 'exit', '--', access.host], { deadline: seconds(2) }).catch(
          () => undefined,
        )
      remove(home)
    },
  }
}

/**
 * The command that carries the connection through a jump host: -J would take no option of ours along. What the jump
 * host says of the host comes with the level INFO, and is written to a file: a shared connection throws it away
 * otherwise.
 */
function through(
  { host, port = 22, user }: JumpHost,
  otherwise: string,
  options: Record<string, string>,
  errors: string,
): string {
  const words = [
    ...['ssh', '-F', 'none', '-T', '-p', String(port), '-l', user ?? otherwise, '-S', 'none'],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value.replaceAll('%', '%%')}`]),
  ]
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
  return [...quoted, '-W', "'[%h]:%p'", `'${host}'`, `2>'${errors}'`].join(' ')
}

/**
 * Why ssh did not reach a host, from its own words: OpenSSH says it in no other way. What a jump host says of the host
 * counts; all else that goes wrong with a jump host says nothing of the host.
 */
function whyUnreachable(stderr: string, ofJump: string, { jump }: SshAccess): Unseen {
  const ofHost = jump === undefined ? stderr : (/open failed: (.*)/.exec(ofJump)?.[1] ?? null)
  if (ofHost === null) return 'proxy-failed'
  const [, cause] = WORDS.find(([words]) => words.test(ofHost)) ?? [null, 'cut' as const]
  return cause
}
/** ssh.c, sshconnect.c, packet.c of OpenSSH 9, and the texts of errno in glibc. */
const WORDS: readonly (readonly [RegExp, Unseen])[] = [
  [/connection refused/i, 'refused'],
  [/no route to host/i, 'no-such-host'],
  [/network is unreachable|operation not permitted|cannot assign requested address/i, 'no-network'],
  [/could not resolve hostname|name or service not known|name resolution/i, 'name-unresolved'],
  [/timed out/i, 'no-answer'],
]

/** What ssh says where it ended before it was let in, and so has sent no command: sshconnect.c, kex.c, packet.c. */
const BEFORE_LOGIN =
  /connect to host .+ port \d+:|banner exchange|kex_exchange_identification|Connection to .+ port \d+ timed out/

/** What ssh says when it ends with 255: it has no other way to tell its own failures apart. */
function refusal(stderr: string, ofJump: string, where: string, access: SshAccess): StandbyError {
  const said = maskSecrets(`${ofJump}\n${stderr}`, [access.privateKey])
    .trim()
    .split('\n')
    .filter((line) => !/^@+$|^Warning: Permanently/.test(line))
    .slice(-3)
    .join(' ')
  if (/host key verification failed|host identification has changed|no .* host key is known/i.test(stderr))
    return siteError(
      'ssh-host-key-mismatch',
      `${access.host} does not show a key that known_hosts has for it (${said})`,
      {
        where,
        next: 'If the host was set up anew, get its key from its console and correct known_hosts. If not, something intercepts the connection.',
      },
    )
  if (
    /permission denied|too many authentication failures|invalid format|error in libcrypto|unprotected private key/i.test(
      stderr,
    )
  )
    return siteError('ssh-denied', `${access.host} does not let ${access.user} in (${said})`, {
      where,
      next: `Add the public key to ~/.ssh/authorized_keys of ${access.user}; a key with a passphrase cannot be used.`,
      unseen: 'unauthorized',
    })
  return siteError('ssh-unreachable', `${access.host} does not answer: ${said === '' ? 'ssh gives no reason' : said}`, {
    where,
    next: `Check that ${where} is reachable from here.`,
    retry: 'transient',
    unseen: whyUnreachable(stderr, ofJump, access),
  })
}

/** Empty where there is no such file. */
const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

/** The path that was given, or of a file with the content that was given. */
function fileOf(contentOrPath: string, what: string, home: string, name: string): string {
  if (!contentOrPath.includes('\n') && statSync(contentOrPath, { throwIfNoEntry: false })?.isFile())
    return contentOrPath
  if (contentOrPath.trim() === '') throw inputError('ssh-credentials-missing', `${what} is empty`)
  const path = join(home, name)
  // ssh refuses a key whose last line has no end, which is how most secret stores hand it over.
  writeFileSync(path, `${contentOrPath.trimEnd()}\n`, { mode: 0o600 })
  return path
}
