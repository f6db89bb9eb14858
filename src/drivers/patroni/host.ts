import type { DriverContext, SqlRows } from '../../driver/context.ts'
import { quoted } from '../../driver/manual.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { type ControlData, parseControlData } from '../../systems/postgres/control-data.ts'
import type { ServerShell } from '../../systems/postgres/decode-divergence.ts'
import { type ShutDownPrimary, shutDownPrimaryIn } from '../../systems/postgres/shutdown-end.ts'
import { type Fork, forksInFile } from '../../systems/postgres/timeline-history.ts'
import { historyName } from '../../systems/postgres/wal.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { controlOf, type Database, memberOf, siteSpecOf, unitOf } from './spec.ts'

/** The machine of one member, by ssh. */
export interface MemberHost {
  readonly where: string
  /** Runs a script as the user of PostgreSQL, with PGDATA; `$0`, `$1`, … are the arguments. */
  readonly shell: ServerShell
  /** Writes a file as the user of PostgreSQL, with its folder. Throws `patroni-command-failed`. */
  write(path: string, content: string): Promise<void>
  /** Rows of SQL that the superuser runs over the Unix socket. Throws `patroni-command-failed`. */
  sql(database: string, query: string, within?: Milliseconds): Promise<SqlRows>
  /**
   * Starts the unit of Patroni, now and at each boot; or stops it, now and at each boot. Throws
   * `patroni-command-failed`.
   */
  control(verb: 'start' | 'stop'): Promise<void>
  /** Whether Patroni or PostgreSQL runs, or will by itself. */
  runs(): Promise<Running>
}
export interface Running {
  readonly patroni: boolean
  readonly postgres: boolean
  /**
   * A boot starts Patroni; also the boot that is under way: systemd calls a unit that has not had its turn `inactive`.
   * False where the program that controls the unit does not say it.
   */
  readonly atBoot: boolean
}

/** What `control` may take: PostgreSQL writes its last checkpoint. */
const CONTROL: Milliseconds = seconds(90)
const SEPARATOR = '\u0001'

/** The machine of a member. Contacts nothing yet. */
export function hostOf(
  component: Database,
  site: string,
  name: string,
  context: DriverContext,
  signal: AbortSignal,
): MemberHost {
  const { server } = component.spec
  const member = memberOf(component, site, name)
  const owner = server.user ?? 'postgres'
  const data = member.dataDirectory ?? server.dataDirectory
  const where = `${site} ${member.host} (${name})`
  const siteName = context.stack.sites.find((one) => one.name === site)?.name
  if (siteName === undefined) throw new Error(`${component.name} names no site of the stack: ${site}`)
  const hosts = context.platform(HOSTS, siteName)
  const run = (command: string, deadline: Milliseconds, stdin?: string) =>
    hosts.run(member.host, command, {
      deadline,
      signal,
      asRoot: true,
      ...(stdin === undefined ? {} : { stdin }),
    })
  const asOwner = (words: readonly string[]): string => {
    const path = server.programs === undefined ? [] : [`PATH=${server.programs}:/usr/local/bin:/usr/bin:/bin`]
    return [
      'cd / && runuser',
      '-u',
      owner,
      '--',
      'env',
      'LC_ALL=C',
      `PGDATA=${data}`,
      ...path,
      ...words.map(quoted),
    ].join(' ')
  }
  const failed = (what: string, stderr: string) =>
    codes.error('patroni-command-failed', `${what}: ${lastWords(stderr)}`, {
      retry: 'transient',
      where,
      next: `Look at ${member.host}; the user of the hosts needs the rights of root there (become: sudo).`,
    })
  const socket = member.socket ?? server.socket ?? '/var/run/postgresql'
  const port = member.postgres.split(':')[1] ?? '5432'
  return {
    where,
    shell: (script, args, deadline) => run(asOwner(['sh', '-c', script, ...args]), deadline),
    async write(path, content) {
      const script = 'umask 077 && mkdir -p "$(dirname "$0")" && cat >"$0.part" && mv "$0.part" "$0"'
      const answer = await run(asOwner(['sh', '-c', script, path]), seconds(60), content)
      if (answer.code !== 0) throw failed(path, answer.stderr)
    },
    async sql(database, query, within = seconds(30)) {
      const argv = ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', SEPARATOR, '-h', socket, '-p', port, '-d', database]
      const answer = await run(asOwner([...argv, '-f', '-']), within, query)
      if (answer.code !== 0) throw failed('psql', answer.stderr)
      return answer.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(SEPARATOR))
    },
    async control(verb) {
      const words = verb === 'start' ? 'enable --now' : 'disable --now'
      const answer = await run(`${controlOf(component)} ${words} ${unitOf(component)}`, CONTROL)
      if (answer.code !== 0) throw failed(`${controlOf(component)} ${words} ${unitOf(component)}`, answer.stderr)
    },
    async runs() {
      const [unit, postmaster] = await Promise.all([
        run(
          ['is-active', 'is-enabled'].map((verb) => `${controlOf(component)} ${verb} ${unitOf(component)}`).join('; '),
          seconds(10),
        ),
        run(asOwner(['sh', '-c', POSTMASTER]), seconds(10)),
      ])
      // `is-active` ends with 3 for every unit that is not active, which it names.
      const states = ['active', 'activating', 'deactivating', 'reloading', 'inactive', 'failed', 'unknown']
      const [state = '', file = ''] = unit.stdout.split('\n').map((line) => line.trim())
      if (!states.includes(state)) throw failed(`${controlOf(component)} is-active`, unit.stderr || unit.stdout)
      if (postmaster.code !== 0) throw failed('postmaster.pid', postmaster.stderr)
      return {
        patroni: !['inactive', 'failed', 'unknown'].includes(state),
        postgres: postmaster.stdout.trim() === 'runs',
        atBoot: ['enabled', 'enabled-runtime'].includes(file),
      }
    },
  }
}

/** A file of a dead postmaster is left by a crash: the process in it must exist, and serve this directory. */
const POSTMASTER = `pid=$(head -n 1 "$PGDATA/postmaster.pid" 2>/dev/null) || { echo stopped; exit 0; }
[ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$(readlink -f "$PGDATA")" ] && echo runs || echo stopped`

/**
 * Reads the control file and the record of the last checkpoint, and looks for a postmaster before and after: a server
 * that starts meanwhile is not taken for one that ends.
 */
const SHUT_DOWN = `runs() (
${POSTMASTER}
)
echo "before: $(runs)"
control=$(pg_controldata) || exit 0
of() { printf '%s\\n' "$control" | sed -n "s/^$1: *//p"; }
echo "$control"
pg_waldump -p "$PGDATA/pg_wal" -t "$(of "Latest checkpoint's TimeLineID")" -s "$(of 'Latest checkpoint location')" -n 1
echo "after: $(runs)"`

/** A primary whose last record is its shutdown checkpoint. */
export interface Ended extends ShutDownPrimary {
  /**
   * Its postmaster runs still: it waits until its last WAL is sent and archived. It ran before the control file was
   * read, too.
   */
  readonly lingers: boolean
}

/**
 * Where the WAL of a member ends whose PostgreSQL was the primary, and has written its shutdown checkpoint; null where
 * that is not so, or cannot be read, or where a postmaster has started meanwhile. Throws as `MemberHost.shell` does.
 */
export async function endedOn(host: MemberHost): Promise<Ended | null> {
  const { code, stdout } = await host.shell(SHUT_DOWN, [], seconds(5))
  const [before, after] = ['before', 'after'].map(
    (when) => new RegExp(`^${when}: (runs|stopped)$`, 'm').exec(stdout)?.[1],
  )
  const primary = code === 0 ? shutDownPrimaryIn(stdout, stdout) : null
  if (primary === null || before === undefined || after === undefined) return null
  if (before === 'stopped' && after === 'runs') return null
  return { ...primary, lingers: after === 'runs' }
}

/** The control file of the server of a member, running or stopped; null where it cannot be read. */
export async function controlDataOf(
  host: MemberHost,
  deadline: Milliseconds = seconds(10),
): Promise<ControlData | null> {
  const answer = await host.shell('pg_controldata', [], deadline)
  return answer.code === 0 ? parseControlData(answer.stdout) : null
}

/**
 * How a server came to its timeline, by its own file, which it writes when it is promoted; empty where it has none.
 * Patroni copies it into the store in its next loop.
 */
export async function historyOnHost(host: MemberHost, timeline: number): Promise<Fork[]> {
  const script = 'test ! -e "$PGDATA/pg_wal/$0" || cat "$PGDATA/pg_wal/$0"'
  const answer = await host.shell(script, [historyName(timeline)], seconds(10))
  return answer.code === 0 ? forksInFile(answer.stdout) : []
}

/** The hosts of all members of a site, by member. */
export const hostsOf = (
  component: Database,
  site: string,
  context: DriverContext,
  signal: AbortSignal,
): ReadonlyMap<string, MemberHost> =>
  new Map(
    Object.keys(siteSpecOf(component, site).members).map((name) => [
      name,
      hostOf(component, site, name, context, signal),
    ]),
  )

const lastWords = (said: string): string => said.trim().split('\n').slice(-3).join(' ')
