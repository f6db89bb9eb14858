import { randomBytes } from 'node:crypto'
import type { SshResult } from '../../clients/ssh.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { DriverContext } from '../../driver/context.ts'
import { inputError, siteError, timeoutError } from '../../errors/standby-error.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../../values/duration.ts'
import { patienceOf } from '../../waiting/deadline.ts'
import { tryUntil } from '../../waiting/try-until.ts'
import { HOSTS } from './client.ts'
import { declaredSandbox, refusalOf } from './empty-sandbox.ts'
import { claiming, forgetting, keeping, type SandboxUnit, starting, watching, workOf } from './sandbox-units.ts'

/**
 * A place on a machine of a passive site in which a restore test runs programs and scratch servers, each as a transient
 * unit of systemd. What it promises of all that runs in it:
 *
 * - the user has no rights, and cannot get any; nothing outside of {@link directory} and a /tmp of its own can be
 *   written, and the sockets below /run of what else runs there are hidden;
 * - no network, not even to the machine itself: a restored server reaches no archive and sends no mail. All programs of
 *   one sandbox share one empty network; a Unix socket in the directory is the sure way to a server;
 * - at most half of the memory, and less processor time than what serves; what fills the file system beyond 95 % is
 *   stopped (`sandbox-full`);
 * - one test at a time (`sandbox-in-use`);
 * - all is gone afterwards. Where the process of the test died, the machine empties the sandbox by itself, five minutes
 *   after it last heard of the test.
 *
 * Every call counts as hearing of the test. All calls outlast transient trouble of ssh, and may be repeated; an ended
 * connection ends no program. They throw `sandbox-in-use`, `sandbox-full`, `sandbox-missing`, `sandbox-unsupported`,
 * `sandbox-stuck` and what `HostsClient.run` throws.
 */
export interface HostSandbox {
  readonly machine: string
  /** Absolute, empty at the beginning, mode 0700 of the sandbox's user: the working directory of all programs. */
  readonly directory: string
  /**
   * Runs a program to its end; any exit code is a result, 128 + signal where a signal ended it. The first word is a
   * path or is found on systemd's PATH; no shell reads the words. Throws `process-timeout` (the program is gone by
   * then), and `sandbox-stuck` where it could not be started.
   */
  run(argv: readonly string[], how?: RunInSandbox): Promise<SshResult>
  /** Starts a server that stays in the foreground; returns when its program was executed, not when it serves. */
  start(name: string, argv: readonly string[], how?: RunInSandbox): Promise<void>
  /** How a started server is; throws `sandbox-stuck` for one that is not there (any more). */
  look(name: string): Promise<SandboxServer>
  /** Ends a server: SIGTERM, and SIGKILL after ten seconds. Harmless where it has ended; then its name is free. */
  stop(name: string): Promise<void>
  /** Writes a file below the directory, with the folders that it needs. Mode: octal, 0600 when absent. */
  put(path: string, content: string | Uint8Array, mode?: string): Promise<void>
  /** A text file below the directory, its last 16 MiB; null where there is none. */
  read(path: string): Promise<string | null>
}

export interface RunInSandbox {
  readonly stdin?: string
  /** Seen by its program and by root alone: the place for secrets, which do not belong into `argv`. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: ten minutes for a program, the deadline of the restore test for a server. */
  readonly within?: Milliseconds
  /**
   * `host`: it has the network of the machine, for a program that fetches a backup. Never for what was restored.
   * Default: `none`.
   */
  readonly network?: 'none' | 'host'
  readonly signal?: AbortSignal
}

export type SandboxServer =
  | { readonly is: 'running'; readonly said: string }
  /** `said`: the end of what it wrote to stderr. */
  | { readonly is: 'ended'; readonly code: number; readonly said: string }

/**
 * The sandbox of a restore test of a component that stands on hosts; takes it for this test, once for all its
 * components. The restore test itself empties it before and after: nothing has to be closed.
 */
export async function openHostSandbox(
  sandbox: Sandbox,
  context: Pick<DriverContext, 'stack' | 'platform' | 'clock' | 'log' | 'signal'>,
): Promise<HostSandbox> {
  const { machine, place, where } = declaredSandbox(context.stack, sandbox.site, sandbox.namespace, sandbox.id)
  const hosts = context.platform(HOSTS, sandbox.site)

  /** One program for the shell of the machine, which may be repeated. */
  const shell = (what: string, script: string, signal = context.signal, stdin = ''): Promise<SshResult> =>
    tryUntil(
      async () => {
        const result = await hosts.run(machine, script, { asRoot: true, stdin, signal, deadline: CALL })
        const refused = refusalOf(result.code, result.stdout, place, where)
        if (refused !== null) throw refused
        return result
      },
      {
        what: `${what} in ${where}`,
        where,
        clock: context.clock,
        signal,
        deadline: patienceOf(PATIENCE, context.clock),
        waiting: (reason) => context.log.debug(`${where}: ${reason}`),
      },
    )
  const stuck = (what: string, said: string) =>
    siteError('sandbox-stuck', `${what}: ${said.trim() === '' ? 'nothing was said about it' : said.trim()}`, {
      where,
      next: `Look at the journal of ${machine}: journalctl -u '${place.units}.*'`,
    })
  const keep = async (name: string, kind: 'in' | 'env', content: string, signal?: AbortSignal): Promise<void> => {
    const script = keeping(place, name, kind, Buffer.byteLength(content))
    const kept = await shell(`${kind === 'in' ? 'input' : 'environment'} of ${name}`, script, signal, content)
    if (kept.code !== 0) throw stuck(`what ${name} reads could not be kept`, kept.stderr)
  }
  const begin = async (name: string, argv: readonly string[], how: RunInSandbox, within: Milliseconds) => {
    if (argv.length === 0 || argv.some((word) => word.includes('\0')))
      throw inputError('sandbox-stuck', `no program can be started as ${JSON.stringify(argv)}`)
    const { stdin, env, network = 'none', signal } = how
    if (stdin !== undefined) await keep(name, 'in', stdin, signal)
    if (env !== undefined) await keep(name, 'env', environmentFile(env), signal)
    const unit: SandboxUnit = {
      name,
      argv,
      network,
      within: Math.ceil(within / 1_000),
      environment: env !== undefined,
      stdin: stdin !== undefined,
    }
    const started = await shell(`start of ${name}`, starting(place, unit), signal)
    if (started.code !== 0) throw stuck(`${argv[0]} could not be started`, started.stderr)
  }
  const watch = async (name: string, patience: number, signal = context.signal): Promise<Watched> => {
    const { code, stdout, stderr } = await shell(`look at ${name}`, watching(place, name, patience, OUTPUT), signal)
    if (code !== 0) throw stuck(`${name} could not be looked at`, stderr)
    return watchedOf(stdout)
  }
  const forget = (name: string): Promise<SshResult> => shell(`end of ${name}`, forgetting(place, name))
  const gone = (name: string) =>
    stuck(`${name} is not there any more`, `it was stopped, its time was over, or ${machine} has restarted`)

  const box: HostSandbox = {
    machine,
    directory: workOf(place),

    async run(argv, how = {}) {
      const name = `run-${randomBytes(6).toString('hex')}`
      const within = how.within ?? minutes(10)
      await begin(name, argv, how, within)
      const lastLook = context.clock.now().getTime() + within + ENDING
      for (;;) {
        const seen = await watch(name, 5, how.signal)
        if (!seen.isThere) throw gone(argv[0] ?? name)
        if (!seen.hasEnded) {
          if (context.clock.now().getTime() > lastLook)
            throw stuck(
              `${argv[0]} could not be ended`,
              `its time, ${readableDuration(within)}, is over for ${readableDuration(ENDING)}`,
            )
          continue
        }
        await forget(name)
        if (seen.timedOut)
          throw timeoutError(
            'process-timeout',
            `${argv[0]} did not end within ${readableDuration(within)}: ${seen.stderr.trim().slice(-500)}`,
            { where },
          )
        return { code: seen.code, stdout: seen.stdout, stderr: seen.stderr }
      }
    },
    start: (name, argv, how = {}) => begin(serverName(name), argv, how, how.within ?? sandbox.deadline),
    async look(name) {
      const seen = await watch(serverName(name), 0)
      if (!seen.isThere) throw gone(name)
      return seen.hasEnded ? { is: 'ended', code: seen.code, said: seen.stderr } : { is: 'running', said: seen.stderr }
    },
    async stop(name) {
      await forget(serverName(name))
    },
    async put(path, content, mode = '0600') {
      if (!/^[0-7]{3,4}$/.test(mode)) throw inputError('sandbox-stuck', `${mode} is no mode of a file`)
      const stdin = Buffer.from(content).toString('base64')
      const script = 'mkdir -p "$(dirname "$1")" && base64 -d >"$1" && chmod "$2" "$1"'
      const written = await box.run(['/bin/sh', '-c', script, 'put', below(path), mode], { stdin })
      if (written.code !== 0) throw stuck(`${path} could not be written`, written.stderr)
    },
    async read(path) {
      const script = '[ -e "$1" ] || exit 3; exec cat "$1"'
      const found = await box.run(['/bin/sh', '-c', script, 'read', below(path)])
      if (found.code === 3) return null
      if (found.code !== 0) throw stuck(`${path} could not be read`, found.stderr)
      return found.stdout
    },
  }
  // Longer than the test itself: what is emptied at its end shall still be there.
  const claimed = await shell('begin', claiming(place, Math.ceil((sandbox.deadline + minutes(5)) / 1_000)))
  if (claimed.code !== 0) throw stuck('the sandbox could not be prepared', claimed.stderr)
  return box
}

/** One call, which waits for the end of a program for five seconds at most, and for other calls. */
const CALL: Milliseconds = seconds(45)
/** How long one call is tried again, while the machine is not reached. */
const PATIENCE: Milliseconds = minutes(2)
/** From the end of its time to the end of a program: systemd needs ten seconds; a dead disk keeps it forever. */
const ENDING: Milliseconds = minutes(1)
/** Bytes of each stream of a program. */
const OUTPUT = 16 * 1024 * 1024

interface Watched {
  readonly isThere: boolean
  readonly hasEnded: boolean
  readonly timedOut: boolean
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Out of the lines that `watching` prints. */
function watchedOf(lines: string): Watched {
  const [state = '', out = '', err = ''] = lines.split('\n')
  const [ended, load, result, how, status] = state.split(' ')
  const decoded = (text: string): string => Buffer.from(text, 'base64').toString('utf8')
  return {
    isThere: load === 'loaded',
    hasEnded: ended === '1',
    timedOut: result === 'timeout',
    // CLD_EXITED of waitid(2) is 1; anything else is a signal.
    code: how === '1' ? Number(status) : 128 + Number(status),
    stdout: decoded(out),
    stderr: decoded(err),
  }
}

/** Apart from the names of programs. */
function serverName(name: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/.test(name)) return `server-${name}`
  throw inputError('sandbox-stuck', `${name} is no name for a server of a sandbox`)
}

/** Of a path that stays below the directory. */
function below(path: string): string {
  const parts = path.split('/')
  if (path.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw inputError('sandbox-stuck', `${path} is no path below the directory of the sandbox`)
  return `./${path}`
}

/** As systemd.exec(5) reads it: in double quotes, a backslash before what would end or change the value. */
const environmentFile = (env: Readonly<Record<string, string>>): string =>
  Object.entries(env)
    .map(([name, value]) => `${name}="${value.replaceAll(/[\\"$`]/g, (char) => `\\${char}`)}"\n`)
    .join('')
