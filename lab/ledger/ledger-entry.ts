/**
 * acknowledged: the application said that it is written. failed: it is certainly not written (refused, or never sent).
 * unknown: it may be written; the answer was lost, late, or says nothing about it.
 */
export type Outcome = 'acknowledged' | 'failed' | 'unknown'

export interface LedgerEntry {
  /** Grows by one with each write of a run. */
  readonly sequence: number
  /** The name of the secret. */
  readonly id: string
  readonly outcome: Outcome
  /** Milliseconds since 1970, from a clock that never steps back. */
  readonly startedAt: number
  readonly endedAt: number
  readonly address: string
  /** The site that answered, as the load balancer says. */
  readonly site: string | null
  /** `http-503`, `answer-timeout`; null when acknowledged. */
  readonly reason: string | null
}

/** Written before the request is sent, so that a ledger that is killed does not forget what it may have written. */
export interface LedgerIntent {
  readonly sequence: number
  readonly id: string
  readonly startedAt: number
}

export const PREFIX = 'LEDGER'
export const idOf = (run: string, sequence: number): string => `${PREFIX}_${run}_${String(sequence).padStart(8, '0')}`
/** `LEDGER_<run>_` of an id; null when no ledger wrote it. */
export const runPrefixOf = (id: string): string | null => /^LEDGER_[^_]+_(?=\d+$)/.exec(id)?.[0] ?? null

/**
 * The entries of a ledger file in the order in which they started. An intent without a result is unknown, and so is a
 * last line that was cut in the middle by a crash: its intent stands before it.
 */
export function parseLedger(text: string): LedgerEntry[] {
  const entries = new Map<string, LedgerEntry>()
  for (const line of text.split('\n')) {
    const record = parseLine(line)
    if (record === null) continue
    if ('outcome' in record) entries.set(record.id, record)
    else if (!entries.has(record.id)) entries.set(record.id, unfinished(record))
  }
  return [...entries.values()].sort((a, b) => a.startedAt - b.startedAt || a.sequence - b.sequence)
}

function parseLine(line: string): LedgerEntry | LedgerIntent | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'sequence' in value
      ? (value as LedgerEntry | LedgerIntent)
      : null
  } catch {
    return null
  }
}

const unfinished = ({ sequence, id, startedAt }: LedgerIntent): LedgerEntry => ({
  sequence,
  id,
  outcome: 'unknown',
  startedAt,
  endedAt: startedAt,
  address: '',
  site: null,
  reason: 'ledger-ended',
})
