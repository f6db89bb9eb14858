import { createHash } from 'node:crypto'
import { asStandbyError } from '../errors.ts'
import type { ConditionalStore } from '../execution/conditional-store.ts'
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

export interface ChainVerdict {
  readonly records: number
  /** The first record that does not fit, and why; null when the chain is whole. */
  readonly broken: { readonly key: string; readonly why: string } | null
}

/** Recomputes every hash of the chain. */
export async function verifyChain(store: ConditionalStore): Promise<ChainVerdict> {
  let previous = FIRST
  let sequence = 0
  for (const key of await store.list(FOLDER)) {
    const record = asRecord((await store.get(key))?.body)
    sequence += 1
    const broken = (why: string): ChainVerdict => ({ records: sequence, broken: { key, why } })
    if (record === null) return broken('it can not be read')
    const { hash, ...rest } = record
    if (record.sequence !== sequence) return broken(`it is number ${record.sequence}, and should be ${sequence}`)
    if (record.previous !== previous) return broken('it does not follow the record before it')
    if (hashOf(rest) !== hash) return broken('its content does not give its hash')
    previous = hash
  }
  return { records: sequence, broken: null }
}

const keyOf = (sequence: number): string => `${FOLDER}${String(sequence).padStart(8, '0')}.json`

const hashOf = (record: Omit<EvidenceRecord, 'hash'>): string =>
  createHash('sha256')
    .update(canonicalJson(record as unknown as JsonObject))
    .digest('hex')

/** Stores add the id of their write to what they keep; it belongs to no record. */
function asRecord(document: JsonObject | undefined): EvidenceRecord | null {
  if (document === undefined) return null
  const { writeId: _, ...record } = document
  return record as unknown as EvidenceRecord
}
