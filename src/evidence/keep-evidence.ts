import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { canonicalJson, type Json, type JsonObject } from '../values/json.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { Decoded } from '../witness/damage.ts'
import { decodeText, documentKind } from '../witness/decode.ts'
import { type ChainFiles, linkName, linkText, recordName, sequenceOf, sha256 } from './chain.ts'
import type { EvidenceBody } from './evidence-body.ts'
import type { EvidenceRecord } from './refusal-body.ts'

/** Where the chain lies in the witness. */
export const EVIDENCE_FOLDER = 'evidence/'
/** Two runs may append at once; more than a few at once cannot be, for there is one lock. */
const TRIES = 8
/** Objects that are read side by side. */
const AT_ONCE = 16

export interface KeptEvidence {
  /** Its key in the witness: `evidence/00000007.json`. */
  readonly record: string
  /** SHA-256 of its link: kept elsewhere, it proves that nothing before it was rewritten. */
  readonly head: string
}

/** A record as it is stored: sorted keys, two spaces, one line end. */
export function recordText(body: EvidenceRecord): string {
  const sorted = JSON.parse(canonicalJson(JSON.parse(JSON.stringify(body)) as Json)) as JsonObject
  // The sign for a byte that is no text is escaped: no other bytes may read like it.
  return `${JSON.stringify(sorted, null, 2).replaceAll('\uFFFD', '\\ufffd')}\n`
}

/**
 * Appends a record to the chain of the stack. Errors: those of the witness, and `evidence-busy` when others are always
 * first.
 */
export async function keepEvidence(store: ConditionalStore, body: EvidenceRecord): Promise<KeptEvidence> {
  const text = recordText(body)
  for (let tries = 1; tries <= TRIES; tries++) {
    const names = await namesIn(store)
    const last = lastRecord(names)
    const previous = await completeLinks(store, last)
    try {
      await store.createText(`${EVIDENCE_FOLDER}${recordName(last + 1)}`, text)
    } catch (error) {
      if (asStandbyError(error).code !== 'witness-conflict') throw error
      continue
    }
    return {
      record: `${EVIDENCE_FOLDER}${recordName(last + 1)}`,
      head: sha256(await writeLink(store, last + 1, text, previous)),
    }
  }
  throw siteError('evidence-busy', `${TRIES} others have appended evidence in the meantime`, {
    where: `witness ${EVIDENCE_FOLDER}`,
    next: 'Look who writes there; the journal of the run is complete without it.',
  })
}

/**
 * The number of the newest record. What lies far beyond the others is none of ours, and appending after it would tear
 * the chain for ever: a verification names it.
 */
function lastRecord(names: readonly string[]): number {
  const sequences = names.filter((name) => name.endsWith('.json')).flatMap((name) => sequenceOf(name) ?? [])
  return sequences.toSorted((a, b) => a - b).reduce((last, next) => (next - last > WIDEST_GAP ? last : next), 0)
}
/** More records than anybody removes from one place. */
const WIDEST_GAP = 1_000

/**
 * The link of the last record. Whoever died between a record and its link leaves one to write; its text is the same for
 * everybody.
 */
async function completeLinks(store: ConditionalStore, last: number): Promise<string | null> {
  if (last === 0) return null
  const found = await readable(store, linkName(last))
  if (found !== null) return found
  const record = await readable(store, recordName(last))
  // A record that vanished, or that nobody can read, breaks the chain for whoever verifies it; a new one is still
  // appended.
  return record === null || record === '' ? null : writeLink(store, last, record, await completeLinks(store, last - 1))
}

async function writeLink(
  store: ConditionalStore,
  sequence: number,
  record: string,
  previous: string | null,
): Promise<string> {
  const key = `${EVIDENCE_FOLDER}${linkName(sequence)}`
  const text = linkText(sequence, record, previous)
  try {
    await store.createText(key, text)
    return text
  } catch (error) {
    const found = asStandbyError(error).code === 'witness-conflict' ? await readable(store, linkName(sequence)) : null
    // One that differs breaks the chain for whoever verifies it, and is none of this run's to repair.
    if (found === null) throw error
    return found
  }
}

/** All files of the chain, by name, exactly as they lie in the witness. */
export async function readChain(store: ConditionalStore): Promise<ChainFiles> {
  return readFiles(store, await namesIn(store))
}

/**
 * The newest records of runs, newest last; of at most so many objects, without the very newest `skipped`. What is no
 * such record, or damaged, is left out.
 */
export async function newestBodies(store: ConditionalStore, most: number, skipped = 0): Promise<EvidenceBody[]> {
  return (await newestRecords(store, most, skipped)).flatMap((found) =>
    found.kind === 'sound' && found.record.kind === 'move' ? [found.record] : [],
  )
}

/** The same with refusals, and with what is wrong with those that nobody can read. */
export async function newestRecords(
  store: ConditionalStore,
  most: number,
  skipped = 0,
): Promise<Decoded<EvidenceRecord>[]> {
  const records = (await namesIn(store)).filter((name) => name.endsWith('.json'))
  const names = records.slice(Math.max(0, records.length - skipped - most), Math.max(0, records.length - skipped))
  return [...(await readFiles(store, names))].map(([name, text]) => decodeRecord(name, text, store.stack))
}

/** The record of a run in a text; null when it is none, damaged, or of an older format. */
export function bodyIn(text: string, stack: string | null = null): EvidenceBody | null {
  const found = decodeRecord('', text, stack)
  return found.kind === 'sound' && found.record.kind === 'move' ? found.record : null
}

const evidenceDocument = documentKind<EvidenceRecord>(
  'evidence.schema.json',
  'Nothing rests on it. Compare with an earlier export, or with the versions of the object: somebody else wrote it, or changed it.',
  2,
)

/** The record in a text, of a run or of a refusal; what is wrong with it where it is none. */
export const decodeRecord = (name: string, text: string, stack: string | null): Decoded<EvidenceRecord> =>
  decodeText(evidenceDocument, `${EVIDENCE_FOLDER}${name}`, text, stack)

async function namesIn(store: ConditionalStore): Promise<string[]> {
  return (await store.list(EVIDENCE_FOLDER)).map((key) => key.slice(EVIDENCE_FOLDER.length)).sort()
}

/** Its text, and '' where it has none that can be read: it fits no link, and holds up nobody. */
const readable = (store: ConditionalStore, name: string): Promise<string | null> =>
  store.getText(`${EVIDENCE_FOLDER}${name}`).catch((error: unknown) => {
    if (asStandbyError(error).code !== 'witness-damaged') throw error
    return ''
  })

async function readFiles(store: ConditionalStore, names: readonly string[]): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const batch = names.slice(from, from + AT_ONCE)
    const texts = await Promise.all(batch.map((name) => readable(store, name)))
    for (const [index, name] of batch.entries()) files.set(name, texts[index] ?? '')
  }
  return files
}
