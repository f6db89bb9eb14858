import { createHash } from 'node:crypto'
import type { HostRunner } from '../../systems/traffic/hosts.ts'
import type { Held, Reading } from '../../systems/traffic/load-balancers.ts'
import { codes } from './codes.ts'
import type { HaproxySpec } from './spec.ts'

/** The value of the key at run time and in the map file, and what the instance says of its backends. */
export interface InstanceState extends Held {
  readonly backends: Readonly<Record<string, Backend>>
}
export interface Backend {
  readonly servers: readonly Server[]
  /** Open sessions, also of those that wait for a server. */
  readonly sessions: number
}
export interface Server {
  readonly name: string
  readonly up: boolean
  /** Result of the last health check, such as `L4TOUT`; empty where there is no check, or none has ended yet. */
  readonly check: string
}

/** Separates the answers of one ssh call: three questions in one round trip. */
const MARK = '--standby--'
/** Backends (2) and servers (4) of all proxies. */
const STATISTICS = 'show stat -1 6 -1'

/** An instance with its whole map file, which the next write of the file needs. */
export interface InstanceReading extends Reading<InstanceState> {
  readonly content: string
}

/** Reads runtime value, map file, health and open sessions in one call. */
export async function readInstance(
  run: HostRunner,
  host: string,
  spec: HaproxySpec,
  signal: AbortSignal,
): Promise<InstanceReading> {
  const socket = `socat -t 5 - UNIX-CONNECT:${spec.socket}`
  const command = `echo 'show map ${spec.map}' | ${socket}; echo '${MARK}'; cat '${spec.map}'; echo '${MARK}'; echo '${STATISTICS}' | ${socket}`
  const answer = await run(command, '', signal)
  const [map, file, stat] = answer.stdout.split(`${MARK}\n`)
  if (answer.code !== 0 || map === undefined || file === undefined || stat === undefined)
    throw codes.error(
      'load-balancer-unreadable',
      `${host} does not show its state: ${(answer.stderr || answer.stdout).trim().split('\n').at(-1)}`,
      {
        where: host,
        next: `Check that the ssh user may use ${spec.socket} (with socat) and read ${spec.map}.`,
        retry: 'transient',
      },
    )
  return {
    view: { runtime: runtimeValue(map, spec.key), file: fileValue(file, spec.key), backends: backendsOf(stat) },
    content: file,
  }
}

/** `0x55d0 active dc-a` per line. */
export function runtimeValue(answer: string, key: string): string | null {
  for (const line of answer.split('\n')) {
    const [, name, value] = line.trim().split(/\s+/)
    if (name === key) return value ?? null
  }
  return null
}

/** `active dc-a` per line; lines that begin with # are comments. */
export function fileValue(content: string, key: string): string | null {
  for (const line of content.split('\n')) {
    const [name, value] = line.trim().split(/\s+/)
    if (name === key) return value ?? null
  }
  return null
}

/** The file with the key set, all other lines as they were. */
export function withValue(content: string, key: string, value: string): string {
  const lines = content.split('\n')
  const at = lines.findIndex((line) => line.trim().split(/\s+/)[0] === key)
  if (at >= 0) return lines.map((line, index) => (index === at ? `${key} ${value}` : line)).join('\n')
  return `${content}${content === '' || content.endsWith('\n') ? '' : '\n'}${key} ${value}\n`
}

/** Rows of `show stat` (CSV with a header). A server without a check counts as up. */
export function backendsOf(csv: string): Record<string, Backend> {
  const [header = '', ...rows] = csv.trim().split('\n')
  const columns = header.replace(/^#\s*/, '').split(',')
  const backends: Record<string, Backend> = {}
  for (const row of rows) {
    const fields = row.split(',')
    const field = (column: string): string => fields[columns.indexOf(column)] ?? ''
    const name = field('pxname')
    if (name === '') continue
    const { servers, sessions } = backends[name] ?? { servers: [], sessions: 0 }
    backends[name] =
      field('svname') === 'BACKEND'
        ? { servers, sessions: Number(field('scur')) }
        : { servers: [...servers, serverOf(field)], sessions }
  }
  return backends
}

const serverOf = (field: (column: string) => string): Server => ({
  name: field('svname'),
  up: /^(UP|no check)/.test(field('status')),
  // A star means that the next check is under way.
  check: field('check_status').replace(/^\* /, ''),
})

export interface Switch {
  readonly value: string
  /** The state that was read just before: saves a round trip, and shows when another writer was faster. */
  readonly before: InstanceReading
  /** The backend whose open sessions are ended: a kept-alive connection would go on reaching it. */
  readonly cut: string | null
}

/**
 * Sets the key in the file first, then at run time. After a crash between the two the file holds the intended value: a
 * reload would apply it, and an observation shows both values, so that the half-done switch is seen and finished. In
 * the reverse order a reload would silently undo the switch. Returns how many sessions are still open on the backend
 * whose sessions are cut.
 */
export async function setValue(
  run: HostRunner,
  host: string,
  spec: HaproxySpec,
  to: Switch,
  signal: AbortSignal,
): Promise<number> {
  const { runtime } = to.before.view
  if (to.before.view.file !== to.value) await writeFileValue(run, host, spec, to, signal)
  // `set map` changes an existing key, and adds none.
  const verb = runtime === null ? 'add' : 'set'
  const set = runtime === to.value ? [] : [`${verb} map ${spec.map} ${spec.key} ${to.value}`]
  const servers = to.cut === null ? [] : (to.before.view.backends[to.cut]?.servers ?? [])
  const commands = [...set, ...servers.map(({ name }) => `shutdown sessions server ${to.cut}/${name}`), STATISTICS]
  const answer = await run(`socat -t 5 - UNIX-CONNECT:${spec.socket}`, `${commands.join('; ')}\n`, signal)
  // Success is an empty answer; any text before the statistics is an error (HAProxy management guide, 9.3).
  const statistics = answer.stdout.indexOf('# pxname')
  const said = answer.stdout.slice(0, Math.max(0, statistics)).trim()
  if (answer.code !== 0 || statistics < 0 || said !== '')
    throw codes.error('load-balancer-refused', `${host}: ${(said || answer.stderr || answer.stdout).trim()}`, {
      where: host,
      retry: 'never',
      next: `Check that haproxy.cfg uses the map ${spec.map} and that ${spec.socket} has \`level admin\`.`,
    })
  return to.cut === null ? 0 : (backendsOf(answer.stdout.slice(statistics))[to.cut]?.sessions ?? 0)
}

/**
 * Exit code of the write command when the file has changed since it was read: a stack that shares the map wrote first.
 */
const OVERTAKEN = 75
const MAX_TRIES = 5

async function writeFileValue(
  run: HostRunner,
  host: string,
  spec: HaproxySpec,
  to: Switch,
  signal: AbortSignal,
): Promise<void> {
  let { content } = to.before
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const written = await run(replacing(spec.map, content), withValue(content, spec.key, to.value), signal)
    if (written.code === 0) return
    if (written.code !== OVERTAKEN || written.stderr !== '') throw unwritable(host, spec, written.stderr)
    content = (await readInstance(run, host, spec, signal)).content
  }
  throw unwritable(host, spec, `it was changed by another writer ${MAX_TRIES} times while it was written`)
}

/** Replaces the file by the standard input, atomically, if its content is still the one that was read. */
function replacing(map: string, content: string): string {
  const digest = createHash('sha256').update(content).digest('hex')
  return [
    `file=$(readlink -f '${map}') && { flock -w 4 9`,
    `{ [ "$(sha256sum < "$file")" = '${digest}  -' ] || exit ${OVERTAKEN}; }`,
    // A copy keeps owner and mode; a rename shows the old content or the new one, never a part.
    `cp -p "$file" "$file.standby" && cat > "$file.standby" && mv "$file.standby" "$file"; } 9< "$(dirname '${map}')"`,
  ].join(' && ')
}

const unwritable = (host: string, spec: HaproxySpec, why: string) =>
  codes.error('load-balancer-map-unwritable', `${host}: ${spec.map} cannot be written: ${why.trim()}`, {
    where: host,
    retry: 'never',
    next: 'The ssh user needs write access to the file and its folder.',
  })
