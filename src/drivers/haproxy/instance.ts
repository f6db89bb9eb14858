import { createHash } from 'node:crypto'
import { siteError } from '../../errors.ts'
import type { HaproxySpec } from './spec.ts'

/** Runs a command line on the host of an instance. */
export type HostRunner = (
  command: string,
  stdin: string,
  signal: AbortSignal,
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>

/** What one instance does now (runtime), and what it would do after a reload (file). */
export interface InstanceState {
  readonly runtime: string | null
  readonly file: string | null
  /** The servers of each backend. */
  readonly servers: Readonly<Record<string, readonly Server[]>>
}
export interface Server {
  readonly name: string
  readonly up: boolean
}

/** A heading between the answers of one ssh call: three questions in one round trip. */
const MARK = '--standby--'

/** An instance, with the whole map file for whoever writes it next. */
export interface InstanceReading {
  readonly view: InstanceState
  readonly content: string
}

/** Reads runtime value, map file and health in one call. */
export async function readInstance(run: HostRunner, host: string, spec: HaproxySpec, signal: AbortSignal): Promise<InstanceReading> {
  const socket = `socat -t 5 - UNIX-CONNECT:${spec.socket}`
  const command = `echo 'show map ${spec.map}' | ${socket}; echo '${MARK}'; cat '${spec.map}'; echo '${MARK}'; echo 'show stat -1 4 -1' | ${socket}`
  const answer = await run(command, '', signal)
  const [map, file, stat] = answer.stdout.split(`${MARK}\n`)
  if (answer.code !== 0 || map === undefined || file === undefined || stat === undefined)
    throw siteError(
      'load-balancer-unreadable',
      `${host} does not tell its state: ${(answer.stderr || answer.stdout).trim().split('\n').at(-1)}`,
      {
        where: host,
        next: `Check that the ssh user may use ${spec.socket} (with socat) and read ${spec.map}.`,
      },
    )
  return { view: { runtime: runtimeValue(map, spec.key), file: fileValue(file, spec.key), servers: serversOf(stat) }, content: file }
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

/** Rows of `show stat -1 4 -1` (CSV with a header). A server without a check counts as up. */
export function serversOf(csv: string): Record<string, Server[]> {
  const [header = '', ...rows] = csv.trim().split('\n')
  const columns = header.replace(/^#\s*/, '').split(',')
  const [proxy = 0, name = 1, status = 17] = ['pxname', 'svname', 'status'].map((column) => columns.indexOf(column))
  const servers: Record<string, Server[]> = {}
  for (const row of rows) {
    const fields = row.split(',')
    const backend = fields[proxy] ?? ''
    if (backend === '') continue
    servers[backend] = [...(servers[backend] ?? []), { name: fields[name] ?? '', up: /^(UP|no check)/.test(fields[status] ?? '') }]
  }
  return servers
}

export interface Switch {
  readonly value: string
  /** What was read just before: saves a round trip, and tells when somebody else writes at the same time. */
  readonly before: InstanceReading
  /** `backend/server` whose open sessions end: a kept-alive connection would go on reaching it. */
  readonly cut: readonly string[]
}

/**
 * Sets the key in the file first, then at run time. After a crash between the two the file holds the intended value: a reload would
 * bring it about, and an observation shows both values, so that the switch is found half done and finished. With the order reversed
 * a reload would silently take the switch back.
 */
export async function setValue(run: HostRunner, host: string, spec: HaproxySpec, to: Switch, signal: AbortSignal): Promise<void> {
  await writeFileValue(run, host, spec, to, signal)
  const cut = to.cut.map((server) => `; shutdown sessions server ${server}`).join('')
  // `set map` changes a key that is there, and no other.
  const command = `${to.before.view.runtime !== null ? 'set' : 'add'} map ${spec.map} ${spec.key} ${to.value}${cut}\n`
  const answer = await run(`socat -t 5 - UNIX-CONNECT:${spec.socket}`, command, signal)
  // Success is an empty answer; any text is an error (HAProxy management guide, 9.3).
  if (answer.code !== 0 || answer.stdout.trim() !== '')
    throw siteError('load-balancer-refused', `${host}: ${(answer.stdout || answer.stderr).trim()}`, {
      where: host,
      next: `Check that haproxy.cfg uses the map ${spec.map} and that ${spec.socket} has \`level admin\`.`,
    })
}

/** What the write command ends with when the file is not what was read: a stack that shares the map was faster. */
const OVERTAKEN = 75
const MAX_TRIES = 5

async function writeFileValue(run: HostRunner, host: string, spec: HaproxySpec, to: Switch, signal: AbortSignal): Promise<void> {
  let { content } = to.before
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const written = await run(replacing(spec.map, content), withValue(content, spec.key, to.value), signal)
    if (written.code === 0) return
    if (written.code !== OVERTAKEN || written.stderr !== '') throw unwritable(host, spec, written.stderr)
    content = (await readInstance(run, host, spec, signal)).content
  }
  throw unwritable(host, spec, `it was changed by somebody else ${MAX_TRIES} times while it was written`)
}

/** Replaces the file by the standard input, whole or not at all, if its content is still the one that was read. */
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
  siteError('load-balancer-map-unwritable', `${host}: ${spec.map} can not be written: ${why.trim()}`, {
    where: host,
    next: 'The ssh user needs write access to the file and its folder.',
  })
