/** What `pg_waldump` says of the WAL that a lost primary never shipped: who changed how much, and whether it was ever acknowledged. */
export interface Divergence {
  /** Transactions that were committed there, and only there: their users had an answer. */
  readonly commits: number
  /** ISO 8601 with microseconds, as the clock of that primary had it. */
  readonly firstCommitAt: string | null
  readonly lastCommitAt: string | null
  /** Rows of committed transactions per relation. A row that was changed twice counts twice. */
  readonly relations: readonly ChangedRelation[]
  /** Rows of transactions that had no end yet, or were rolled back. */
  readonly uncommittedRows: number
  /** Position of the last of these records: the WAL goes so far at least, also where no control file knows its end. Null: there is none. */
  readonly readTo: string | null
}
export interface ChangedRelation {
  /** `1663/16385/16389`: tablespace, database, file node. */
  readonly relation: string
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

type Kind = 'inserted' | 'updated' | 'deleted'
interface RowChange {
  readonly transaction: string
  readonly relation: string
  readonly kind: Kind
  readonly rows: number
}

/** Reads the lines of PostgreSQL 14 to 18, printed in UTC; whatever changes no row is passed over. Pure. */
export function divergenceIn(waldump: string): Divergence {
  const changes: RowChange[] = []
  const committed = new Set<string>()
  const times: string[] = []
  let readTo: string | null = null
  for (const line of waldump.split('\n')) {
    const record = /^rmgr: (Heap2?|Transaction)\s.*?\btx:\s*(\d+),.*?\bdesc: (.*)$/.exec(line)
    if (record === null) continue
    const [, manager, transaction = '', description = ''] = record
    readTo = /\blsn: ([0-9A-F]+\/[0-9A-F]+)/.exec(line)?.[1] ?? readTo
    if (manager === 'Transaction') {
      const commit = /^COMMIT\S* (?:(\d+): )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)/.exec(description)
      if (commit === null) continue
      // A prepared transaction is committed by a record of another one, which names it.
      const [, prepared = transaction, day, time] = commit
      times.push(`${day}T${time}Z`)
      for (const one of [prepared, ...subtransactionsIn(description)]) committed.add(one)
    } else {
      const change = rowChangeIn(description)
      if (change !== null) changes.push({ transaction, ...change })
    }
  }
  times.sort()
  const kept = changes.filter(({ transaction }) => committed.has(transaction))
  return {
    commits: times.length,
    firstCommitAt: times[0] ?? null,
    lastCommitAt: times.at(-1) ?? null,
    relations: summed(kept),
    uncommittedRows: changes.filter(({ transaction }) => !committed.has(transaction)).reduce((sum, { rows }) => sum + rows, 0),
    readTo,
  }
}

/** `… subxacts: 745 746; …` */
const subtransactionsIn = (description: string): string[] => /subxacts: ([\d ]+)/.exec(description)?.[1]?.trim().split(/\s+/) ?? []

function rowChangeIn(description: string): Omit<RowChange, 'transaction'> | null {
  const relation = /\brel (\d+\/\d+\/\d+)/.exec(description)?.[1]
  const operation = /^([A-Z_]+)/.exec(description)?.[1]
  if (relation === undefined || operation === undefined) return null
  const kind = KINDS[operation]
  if (kind === undefined) return null
  // `MULTI_INSERT 60 tuples …` up to PostgreSQL 15, `ntuples: 60` from 16 on.
  const many = /(?:ntuples: |\s)(\d+)(?: tuples|,)/.exec(description)?.[1]
  return { relation, kind, rows: operation === 'MULTI_INSERT' && many !== undefined ? Number(many) : 1 }
}
const KINDS: Readonly<Record<string, Kind>> = {
  INSERT: 'inserted',
  MULTI_INSERT: 'inserted',
  UPDATE: 'updated',
  HOT_UPDATE: 'updated',
  DELETE: 'deleted',
}

function summed(changes: readonly RowChange[]): ChangedRelation[] {
  const sums = new Map<string, Record<Kind, number>>()
  for (const { relation, kind, rows } of changes) {
    const sum = sums.get(relation) ?? { inserted: 0, updated: 0, deleted: 0 }
    sum[kind] += rows
    sums.set(relation, sum)
  }
  return [...sums].map(([relation, sum]) => ({ relation, ...sum }))
}
