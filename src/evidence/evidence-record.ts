import { createHash } from 'node:crypto'
import { asStandbyError } from '../errors.ts'
import { type ConditionalStore, withoutWriteId } from '../execution/conditional-store.ts'
import { canonicalJson, type JsonObject } from '../json.ts'

const FOLDER = 'evidence/'
const FIRST = '0'.repeat(64)
/** Two runs may append at once; more than a few at once can not be, for there is one lock. */
const TRIES = 8

/** One link of the chain: whoever changes a byte of it breaks every hash behind it. */
export interface EvidenceRecord {
  readonly schemaVersion: 1
  readonly sequence: number
  /** Hash of the record before; 64 zeros for the first. */
  readonly previous: string
  readonly at: string
  /** Where the body lies for itself. */
  readonly key: string
  readonly body: JsonObject
  /** SHA-256 of the canonical JSON of all the other fields. */
  readonly hash: string
}

/** Appends a body to the evidence of the stack, and keeps it under its own key too. */
export async function chainEvidence(store: ConditionalStore, key: string, body: JsonObject, now: Date): Promise<{ readonly hash: string }> {
  await store.create(key, body)
  for (let tries = 1; ; tries++) {
    const newest = (await store.list(FOLDER)).at(-1)
    const before = newest === undefined ? null : asRecord((await store.get(newest))?.body)
    const draft = {
      schemaVersion: 1 as const,
      sequence: (before?.sequence ?? 0) + 1,
      previous: before?.hash ?? FIRST,
      at: now.toISOString(),
      key,
      body,
    }
    const record: EvidenceRecord = { ...draft, hash: hashOf(draft) }
    try {
      await store.create(keyOf(record.sequence), record as unknown as JsonObject)
      return { hash: record.hash }
    } catch (error) {
      if (asStandbyError(error).code !== 'witness-conflict' || tries === TRIES) throw error
    }
  }
}

/** All records, in order, as they are kept; null for what can not be read as one. */
export async function readChain(store: ConditionalStore): Promise<{ readonly key: string; readonly record: EvidenceRecord | null }[]> {
  const keys = await store.list(FOLDER)
  return Promise.all(keys.map(async (key) => ({ key, record: asRecord((await store.get(key))?.body) })))
}

export interface ChainVerdict {
  readonly records: number
  /** Hash of the newest record: whoever keeps it elsewhere finds a chain that was cut off or written anew. */
  readonly head: string
  /** The first record that does not fit, and why; null when the chain is whole. */
  readonly broken: { readonly key: string; readonly why: string } | null
}

/** Recomputes every hash of the chain. With a head that was kept elsewhere, that record must still be in it. */
export async function verifyChain(store: ConditionalStore, keptHead: string | null = null): Promise<ChainVerdict> {
  let head = FIRST
  let records = 0
  let kept = keptHead === null
  for (const { key, record } of await readChain(store)) {
    records += 1
    const why = record === null ? 'it can not be read' : misfit(record, records, head)
    if (record === null || why !== null) return { records, head, broken: { key, why: why ?? 'it can not be read' } }
    head = record.hash
    kept ||= head === keptHead
  }
  if (!kept)
    return { records, head, broken: { key: FOLDER, why: `no record has the hash ${keptHead}: the chain was cut off or written anew` } }
  return { records, head, broken: null }
}

function misfit(record: EvidenceRecord, sequence: number, previous: string): string | null {
  const { hash, ...rest } = record
  if (record.sequence !== sequence) return `it is number ${record.sequence}, and should be ${sequence}`
  if (record.previous !== previous) return 'it does not follow the record before it'
  return hashOf(rest) === hash ? null : 'its content does not give its hash'
}

/** One file for each record, with the very bytes that its hash is of, and the list that `sha256sum --check` reads. */
export async function exportedChain(store: ConditionalStore): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const sums: string[] = []
  for (const { key, record } of await readChain(store)) {
    if (record === null) continue
    const { hash, ...rest } = record
    const name = key.slice(FOLDER.length)
    files.set(name, canonicalJson(rest as unknown as JsonObject))
    sums.push(`${hash}  ${name}`)
  }
  return files.set('SHA256SUMS', sums.map((line) => `${line}\n`).join(''))
}

const keyOf = (sequence: number): string => `${FOLDER}${String(sequence).padStart(8, '0')}.json`

const hashOf = (record: Omit<EvidenceRecord, 'hash'>): string =>
  createHash('sha256')
    .update(canonicalJson(record as unknown as JsonObject))
    .digest('hex')

const asRecord = (document: JsonObject | undefined): EvidenceRecord | null =>
  document === undefined ? null : (withoutWriteId(document) as unknown as EvidenceRecord)
