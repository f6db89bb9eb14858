import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { canonicalJson, type Json, type JsonObject } from '../values/json.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { Decoded } from '../witness/damage.ts'
import { decodeText, documentKind } from '../witness/decode.ts'
import { type ChainFiles, linkName, linkText, recordName, sequenceOf, sha256 } from './chain.ts'
import type { EvidenceBody } from './evidence-body.ts'
import type { EvidenceRecord } from './refusal-body.ts'

/** The folder of the chain in the witness. */
export const EVIDENCE_FOLDER = 'evidence/'
/** Two runs may append at once; more than a few cannot, because there is one lock. */
const TRIES = 8
/** Number of objects that are read in parallel. */
const AT_ONCE = 16

export interface KeptEvidence {
  /** Its key in the witness: `evidence/00000007.json`. */
  readonly record: string
  /** SHA-256 of its link: kept elsewhere, it proves that nothing before it was rewritten. */
  readonly head: string
}

/** A record in its stored form: sorted keys, two spaces, one line end. */
export function recordText(body: EvidenceRecord): string {
  const sorted = JSON.parse(canonicalJson(JSON.parse(JSON.stringify(body)) as Json)) as JsonObject
  // The replacement character for an invalid byte is escaped, so that no other bytes decode to the same text.
  return `${JSON.stringify(sorted, null, 2).replaceAll('\uFFFD', '\\ufffd')}\n`
}

/**
 * Appends a record to the chain of the stack. Errors: those of the witness, and `evidence-busy` when other writers are
 * always first.
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
  throw siteError('evidence-busy', `${TRIES} other writers have appended evidence in the meantime`, {
    where: `witness ${EVIDENCE_FOLDER}`,
    next: 'Find out who writes there; the journal of the run is complete without it.',
  })
}

/**
 * The number of the newest record. A file with a number far above the others is not ours, and appending after it would
 * break the chain for ever: a verification names it.
 */
function lastRecord(names: readonly string[]): number {
  const sequences = names.filter((name) => name.endsWith('.json')).flatMap((name) => sequenceOf(name) ?? [])
  return sequences.toSorted((a, b) => a - b).reduce((last, next) => (next - last > WIDEST_GAP ? last : next), 0)
}
/** More records than a gap from a removal is expected to have. */
const WIDEST_GAP = 1_000

/**
 * The link of the last record. A process that died between a record and its link left the link to write; every process
 * computes the same text.
 */
async function completeLinks(store: ConditionalStore, last: number): Promise<string | null> {
  if (last === 0) return null
  const found = await readable(store, linkName(last))
  if (found !== null) return found
  const record = await readable(store, recordName(last))
  // A missing or unreadable record breaks the chain, which a verification reports; a new one is still appended.
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
    // A link that differs breaks the chain, which a verification reports; this run does not repair it.
    if (found === null) throw error
    return found
  }
}

/** All files of the chain, by name, exactly as the witness has them. */
export async function readChain(store: ConditionalStore): Promise<ChainFiles> {
  return readFiles(store, await namesIn(store))
}

/**
 * The newest records of runs, newest last; reads at most so many objects, and leaves out the newest `skipped`. Other
 * and damaged records are left out.
 */
export async function newestBodies(store: ConditionalStore, most: number, skipped = 0): Promise<EvidenceBody[]> {
  return (await newestRecords(store, most, skipped)).flatMap((found) =>
    found.kind === 'sound' && found.record.kind === 'move' ? [found.record] : [],
  )
}

/** The same with refusals, and with the damage of unreadable records. */
export async function newestRecords(
  store: ConditionalStore,
  most: number,
  skipped = 0,
): Promise<Decoded<EvidenceRecord>[]> {
  const records = (await namesIn(store)).filter((name) => name.endsWith('.json'))
  const names = records.slice(Math.max(0, records.length - skipped - most), Math.max(0, records.length - skipped))
  return [...(await readFiles(store, names))].map(([name, text]) => decodeRecord(name, text, store.stack))
}

/** The record of a run in a text; null for another record, a damaged one, or an older format. */
export function bodyIn(text: string, stack: string | null = null): EvidenceBody | null {
  const found = decodeRecord('', text, stack)
  return found.kind === 'sound' && found.record.kind === 'move' ? found.record : null
}

const evidenceDocument = documentKind<EvidenceRecord>(
  'evidence.schema.json',
  'Nothing depends on it. Compare with an earlier export, or with the versions of the object: another writer wrote or changed it.',
  2,
)

/** The record in a text, of a run or of a refusal; otherwise what is wrong with it. */
export const decodeRecord = (name: string, text: string, stack: string | null): Decoded<EvidenceRecord> =>
  decodeText(evidenceDocument, `${EVIDENCE_FOLDER}${name}`, text, stack)

async function namesIn(store: ConditionalStore): Promise<string[]> {
  return (await store.list(EVIDENCE_FOLDER)).map((key) => key.slice(EVIDENCE_FOLDER.length)).sort()
}

/** Its text, and '' where it cannot be read: '' matches no link, and the other files are still read. */
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
