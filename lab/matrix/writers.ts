import type { LabEnvironment } from '../environment.ts'
import { execute } from '../execute.ts'
import type { SiteName } from '../topology.ts'

/**
 * A stretch of time in which a site's database took writes, by its own log. Milliseconds since 1970; `to` is null while
 * it still does.
 */
export interface WritableSpan {
  readonly site: SiteName
  readonly from: number
  readonly to: number | null
}

/** The log of one instance, as CloudNativePG writes it: one JSON object a line. */
export interface InstanceLog {
  /**
   * The primary of its site, or the instance that would be. Any other one logs its promotion before it takes a write.
   */
  readonly primary: boolean
  readonly lines: readonly string[]
}

/** The logs of the instances of a site from an instant on. */
export async function databaseLogs(
  lab: LabEnvironment,
  site: SiteName,
  of: { readonly namespace: string; readonly cluster: string; readonly since: Date },
): Promise<InstanceLog[]> {
  const kubeconfig = lab.sites.find(({ name }) => name === site)?.kubeconfig ?? ''
  const kubectl = (...args: string[]): Promise<string> =>
    execute(lab.programs.kubectl, [`--kubeconfig=${kubeconfig}`, '-n', of.namespace, ...args], { deadline: 30_000 })
  const namesAndRoles =
    'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.cnpg\\.io/instanceRole}{"\\n"}{end}'
  const pods = (await kubectl('get', 'pods', '-l', `cnpg.io/cluster=${of.cluster}`, '-o', namesAndRoles))
    .split('\n')
    .map((line) => line.split(' '))
  return Promise.all(pods.flatMap(([pod = '', role]) => (pod === '' ? [] : [logOf(pod, role === 'primary')])))

  async function logOf(pod: string, primary: boolean): Promise<InstanceLog> {
    const args = ['logs', pod, '-c', 'postgres', `--since-time=${of.since.toISOString()}`]
    // A container that was killed and started again keeps what it said before in a log of its own; one that is made
    // anew has said nothing yet.
    const logs = await Promise.all([kubectl(...args, '--previous').catch(() => ''), kubectl(...args).catch(nothingYet)])
    return { primary, lines: logs.flatMap((log) => log.split('\n')).filter((line) => line !== '') }
  }
}

function nothingYet(error: Error): string {
  if (error.message.includes('is waiting to start')) return ''
  throw error
}

/**
 * When the two ends of a move took writes, from `begunAt` on, at which `from` was the active site. Milliseconds since
 * 1970; `killedAt` is null where `from` was not killed.
 */
export async function spansOf(
  ends: { readonly from: SiteName; readonly to: SiteName },
  { begunAt, killedAt }: { readonly begunAt: number; readonly killedAt: number | null },
  lab: LabEnvironment,
  namespace: string,
): Promise<WritableSpan[]> {
  const of = (site: SiteName) => ({ namespace, cluster: `pg-${site}`, since: new Date(begunAt) })
  const [old, next] = await Promise.all([
    databaseLogs(lab, ends.from, of(ends.from)),
    databaseLogs(lab, ends.to, of(ends.to)),
  ])
  // A killed server logs nothing more, and one that is fenced when it comes back does not even start.
  const before =
    killedAt === null ? spansOfSite(ends.from, old, begunAt) : [{ site: ends.from, from: begunAt, to: killedAt }]
  const after = killedAt === null ? [] : spansOfSite(ends.from, old, null)
  return [...before, ...after, ...spansOfSite(ends.to, next, null)]
}

/** When any instance of a site took writes. Pure. */
export const spansOfSite = (
  site: SiteName,
  logs: readonly InstanceLog[],
  writableBefore: number | null,
): WritableSpan[] => logs.flatMap(({ primary, lines }) => writableSpans(site, lines, primary ? writableBefore : null))

/**
 * PostgreSQL's words for the beginning and the end of writability: startup.c, postmaster.c, xlog.c; the same since
 * version 10.
 */
const BEGINS = 'database system is ready to accept connections'
const ENDS = /^received (fast|smart|immediate) shutdown request|^database system is shut down/
const STARTS = /^starting PostgreSQL/

/**
 * When an instance took writes. `writableBefore`: whether it did when its log begins. A server that starts again
 * without having said that it stopped was killed: it took writes until its last word at most. Pure.
 */
export function writableSpans(site: SiteName, log: readonly string[], writableBefore: number | null): WritableSpan[] {
  const spans: WritableSpan[] = []
  let since = writableBefore
  let lastWord = writableBefore ?? 0
  const end = (at: number): void => {
    if (since !== null) spans.push({ site, from: since, to: at })
    since = null
  }
  for (const { at, message } of recordsOf(log)) {
    if (STARTS.test(message)) end(lastWord)
    else if (ENDS.test(message)) end(at)
    else if (message === BEGINS) since ??= at
    lastWord = at
  }
  return since === null ? spans : [...spans, { site, from: since, to: null }]
}

function recordsOf(log: readonly string[]): { readonly at: number; readonly message: string }[] {
  const records = log.flatMap((line) => {
    try {
      const { ts, record } = JSON.parse(line) as {
        readonly ts?: string
        readonly record?: { readonly message?: string }
      }
      const at = Date.parse(ts ?? '')
      return record?.message === undefined || Number.isNaN(at) ? [] : [{ at, message: record.message }]
    } catch {
      return []
    }
  })
  return records.sort((a, b) => a.at - b.at)
}

/** A stretch in which a site's processes were frozen: nothing there took a write, whatever its log says later. */
export interface Sleep {
  readonly site: SiteName
  readonly from: number
  readonly to: number
}

/**
 * How long, in milliseconds until `now`, two sites took writes at the same time; what lies in `asleep` does not count:
 * a frozen server takes none. Pure.
 */
export function twoWriters(spans: readonly WritableSpan[], now: number, asleep: Sleep | null = null): number {
  const awake = spans.flatMap((span) => without(span, now, asleep))
  const edges = [...new Set(awake.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b)
  return edges.slice(1).reduce((sum, to, index) => {
    const from = edges[index] ?? to
    const writers = new Set(awake.filter((span) => span.from <= from && span.to >= to).map(({ site }) => site))
    return writers.size > 1 ? sum + (to - from) : sum
  }, 0)
}

/** How long a site's database took writes from an instant on, and whether it still does. Pure. */
export function writableSince(
  spans: readonly WritableSpan[],
  site: SiteName,
  since: number,
  now: number,
): { readonly ms: number; readonly still: boolean } {
  const own = spans.filter((span) => span.site === site)
  const ms = own.reduce((sum, { from, to }) => sum + Math.max(0, (to ?? now) - Math.max(from, since)), 0)
  return { ms, still: own.some(({ to }) => to === null) }
}

type Closed = WritableSpan & { readonly to: number }

function without(span: WritableSpan, now: number, asleep: Sleep | null): Closed[] {
  const { site, from } = span
  const to = span.to ?? now
  if (asleep === null || asleep.site !== site) return [{ site, from, to }]
  const parts = [
    { site, from, to: Math.min(to, asleep.from) },
    { site, from: Math.max(from, asleep.to), to },
  ]
  return parts.filter((part) => part.from < part.to)
}
