/**
 * What `pg_waldump` says of the WAL that a lost primary never shipped: who changed how much, and whether it was ever
 * acknowledged.
 */
export interface Divergence {
  /** Transactions that were committed there, and only there: their users had an answer. */
  readonly commits: number
  /** ISO 8601 with microseconds, as the clock of that primary had it. */
  readonly firstCommitAt: string | null
  readonly lastCommitAt: string | null
  /** Rows of committed transactions per relation. A row that was changed twice counts twice. */
  readonly relations: readonly ChangedRelation[]
  /** Each of those rows, in the order of the WAL. */
  readonly rows: readonly ChangedRow[]
  /** Rows of transactions that had no end yet, or were rolled back. */
  readonly uncommittedRows: number
  /**
   * Position of the last of these records: the WAL goes so far at least, also where no control file knows its end.
   * Null: there is none.
   */
  readonly readTo: string | null
}
export interface ChangedRow {
  readonly relation: RelationFile
  readonly change: Kind
  /**
   * Its place in that file, which was its name there: `(0,3)`, a page and a number on it; `(0,?)` where the WAL does
   * not say the number. Of an updated row the place of its new version.
   */
  readonly ctid: string
  readonly transaction: string
  /** ISO 8601 with microseconds, as the clock of that primary had it. */
  readonly committedAt: string
}
/** `1663/16385/16389`: tablespace, database, file node. */
type RelationFile = string
export interface ChangedRelation {
  readonly relation: RelationFile
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

type Kind = 'inserted' | 'updated' | 'deleted'
interface RowChange {
  readonly transaction: string
  readonly relation: RelationFile
  readonly kind: Kind
  /** One of each row. */
  readonly ctids: readonly string[]
}

/** Reads the lines of PostgreSQL 14 to 18, printed in UTC; lines that change no row are skipped. Pure. */
export function divergenceIn(waldump: string): Divergence {
  const changes: RowChange[] = []
  /** When each transaction was committed. */
  const committed = new Map<string, string>()
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
      const at = `${day}T${time}Z`
      times.push(at)
      for (const one of [prepared, ...subtransactionsIn(description)]) committed.set(one, at)
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
    rows: kept.flatMap(({ transaction, relation, kind, ctids }) =>
      ctids.map((ctid) => ({
        relation,
        change: kind,
        ctid,
        transaction,
        committedAt: committed.get(transaction) ?? '',
      })),
    ),
    uncommittedRows: changes
      .filter(({ transaction }) => !committed.has(transaction))
      .reduce((sum, { ctids }) => sum + ctids.length, 0),
    readTo,
  }
}

/** `… subxacts: 745 746; …` */
const subtransactionsIn = (description: string): string[] =>
  /subxacts: ([\d ]+)/.exec(description)?.[1]?.trim().split(/\s+/) ?? []

function rowChangeIn(description: string): Omit<RowChange, 'transaction'> | null {
  const relation = /\brel (\d+\/\d+\/\d+)/.exec(description)?.[1]
  const operation = /^([A-Z_]+)/.exec(description)?.[1]
  if (relation === undefined || operation === undefined) return null
  const kind = KINDS[operation]
  if (kind === undefined) return null
  const page = /blkref #0: rel \S+ (?:fork \S+ )?blk (\d+)/.exec(description)?.[1] ?? '?'
  const numbers = operation === 'MULTI_INSERT' ? numbersOfMany(description) : [numberOfOne(description)]
  return { relation, kind, ctids: numbers.map((number) => `(${page},${number})`) }
}

/** `off 1 …; new off 3` up to PostgreSQL 15, `old_off: 1, … new_off: 3` and `off: 1` from 16 on. */
const numberOfOne = (description: string): string =>
  (/\bnew[ _]off:? (\d+)/.exec(description) ?? /\boff:? (\d+)/.exec(description))?.[1] ?? '?'

/**
 * `MULTI_INSERT 60 tuples …` up to PostgreSQL 15, `ntuples: 60, … offsets: [4, 5]` from 16 on. A page that begins with
 * them (`+INIT`) has them from 1 on (heap_multi_insert in heapam.c); of another one the older versions do not say which
 * they are.
 */
function numbersOfMany(description: string): string[] {
  const many = Number(/(?:ntuples: |\s)(\d+)(?: tuples|,)/.exec(description)?.[1] ?? 1)
  const said = /offsets: \[([\d, ]+)\]/.exec(description)?.[1]?.split(', ')
  const begins = /^MULTI_INSERT\+INIT/.test(description)
  return Array.from({ length: many }, (_, index) => (begins ? String(index + 1) : (said?.[index] ?? '?')))
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
  for (const { relation, kind, ctids } of changes) {
    const sum = sums.get(relation) ?? { inserted: 0, updated: 0, deleted: 0 }
    sum[kind] += ctids.length
    sums.set(relation, sum)
  }
  return [...sums].map(([relation, sum]) => ({ relation, ...sum }))
}
