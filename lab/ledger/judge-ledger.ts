import { type LedgerEntry, runPrefixOf } from './ledger-entry.ts'

export interface Gap {
  /** When the last write before was acknowledged; of an open beginning: when the first write started. */
  readonly from: number
  /** When the first write after was acknowledged; of an open end: when the last write ended. */
  readonly to: number
  readonly durationMs: number
  readonly lastBefore: string | null
  readonly firstAfter: string | null
  readonly siteBefore: string | null
  readonly siteAfter: string | null
  /** Without an acknowledged write on one side: the true gap may be longer. */
  readonly open: boolean
}

/**
 * What lies between each two acknowledged writes in the order of their acknowledgement, and what is open at both ends:
 * together the whole time from the first try to the end of the last.
 */
export function gapsOf(entries: readonly LedgerEntry[]): Gap[] {
  const acknowledged = entries.filter(({ outcome }) => outcome === 'acknowledged').sort((a, b) => a.endedAt - b.endedAt)
  const span = spanOf(entries)
  if (span === null) return []
  const first = acknowledged[0]
  const last = acknowledged.at(-1)
  if (first === undefined || last === undefined) return [gap(null, null, span.from, span.to)]
  const between = acknowledged
    .slice(1)
    .map((after, at) => gap(acknowledged[at] ?? null, after, acknowledged[at]?.endedAt ?? 0, after.endedAt))
  return [
    ...(first.endedAt > span.from ? [gap(null, first, span.from, first.endedAt)] : []),
    ...between,
    ...(span.to > last.endedAt ? [gap(last, null, last.endedAt, span.to)] : []),
  ]
}

/** No spread into Math.min: a soak has more entries than a call takes arguments. */
function spanOf(entries: readonly LedgerEntry[]): { readonly from: number; readonly to: number } | null {
  if (entries.length === 0) return null
  return entries.reduce(
    ({ from, to }, { startedAt, endedAt }) => ({ from: Math.min(from, startedAt), to: Math.max(to, endedAt) }),
    {
      from: Number.POSITIVE_INFINITY,
      to: Number.NEGATIVE_INFINITY,
    },
  )
}

const gap = (before: LedgerEntry | null, after: LedgerEntry | null, from: number, to: number): Gap => ({
  from,
  to,
  durationMs: to - from,
  lastBefore: before?.id ?? null,
  firstAfter: after?.id ?? null,
  siteBefore: before?.site ?? null,
  siteAfter: after?.site ?? null,
  open: before === null || after === null,
})

/** Milliseconds since 1970. */
export interface Window {
  readonly from: number
  readonly to: number
}

/**
 * The longest gap that touches the window, whole, also where it reaches beyond the window; null when nothing was tried
 * then.
 */
export function longestGap(entries: readonly LedgerEntry[], window: Window | null = null): Gap | null {
  const touching = gapsOf(entries).filter(({ from, to }) => window === null || touches({ from, to }, window))
  return touching.reduce<Gap | null>(
    (longest, one) => (longest === null || one.durationMs > longest.durationMs ? one : longest),
    null,
  )
}

/**
 * How long in all no write was accepted, in milliseconds: the gaps that touch the window, whole, but for those that a
 * busy machine makes.
 */
export function timeWithoutWrites(entries: readonly LedgerEntry[], window: Window): number {
  return gapsOf(entries)
    .filter((one) => one.durationMs > A_BUSY_MACHINE && touches(one, window))
    .reduce((sum, { durationMs }) => sum + durationMs, 0)
}
const A_BUSY_MACHINE = 1_000

const touches = (gap: Window, window: Window): boolean => gap.to >= window.from && gap.from <= window.to

export interface LedgerVerdict {
  readonly acknowledged: number
  readonly failed: number
  readonly unknown: number
  /** Acknowledged, and not in the database: data loss. */
  readonly lostAcknowledged: readonly string[]
  /** Said to be refused, and in the database: an answer that lied. */
  readonly ghosts: readonly string[]
  /** In the database under the name of this run, and never written by it. */
  readonly unexpected: readonly string[]
  /** Fate unknown to the client, and in the database. */
  readonly recovered: readonly string[]
}

/**
 * Compares the answers that a client got with what is there, as sets. Ids of other runs, and other secrets, are
 * ignored.
 */
export function judgeLedger(entries: readonly LedgerEntry[], idsInDatabase: readonly string[]): LedgerVerdict {
  const there = new Set(idsInDatabase)
  const tried = new Set(entries.map(({ id }) => id))
  const runs = new Set(entries.map(({ id }) => runPrefixOf(id)))
  const idsWith = (outcome: LedgerEntry['outcome']): string[] =>
    entries.filter((entry) => entry.outcome === outcome).map(({ id }) => id)
  const acknowledged = idsWith('acknowledged')
  const failed = idsWith('failed')
  const unknown = idsWith('unknown')
  return {
    acknowledged: acknowledged.length,
    failed: failed.length,
    unknown: unknown.length,
    lostAcknowledged: acknowledged.filter((id) => !there.has(id)),
    ghosts: failed.filter((id) => there.has(id)),
    unexpected: [...there].filter((id) => !tried.has(id) && runPrefixOf(id) !== null && runs.has(runPrefixOf(id))),
    recovered: unknown.filter((id) => there.has(id)),
  }
}

export interface LedgerSummary {
  readonly run: string
  readonly file: string
  readonly acknowledged: number
  readonly failed: number
  readonly unknown: number
  readonly from: number | null
  readonly to: number | null
  readonly longestGap: Gap | null
  /** Acknowledged writes by answering site. */
  readonly bySite: Readonly<Record<string, number>>
  /** How often each reason stands beside a write that was not acknowledged. */
  readonly reasons: Readonly<Record<string, number>>
}

export function summarize(run: string, file: string, entries: readonly LedgerEntry[]): LedgerSummary {
  const { acknowledged, failed, unknown } = judgeLedger(entries, [])
  const span = spanOf(entries)
  return {
    run,
    file,
    acknowledged,
    failed,
    unknown,
    from: span?.from ?? null,
    to: span?.to ?? null,
    longestGap: longestGap(entries),
    bySite: count(entries.filter(({ outcome }) => outcome === 'acknowledged').map(({ site }) => site ?? 'direct')),
    reasons: count(entries.flatMap(({ reason }) => (reason === null ? [] : [reason]))),
  }
}

function count(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
