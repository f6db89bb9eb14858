import { createHash } from 'node:crypto'

/**
 * The format of the evidence, which `sha256sum` alone can verify. Record 7 is two files: `00000007.json`, the record,
 * and `00000007.sha256`, its link, which is byte for byte what `sha256sum 00000007.json 00000006.sha256` prints. The
 * SHA-256 of the newest link, the head, covers everything before it: a head that is kept elsewhere reveals a rewritten
 * past.
 */
export type ChainFiles = ReadonlyMap<string, string>

export interface ChainVerdict {
  /** How many records are valid, from the first on. */
  readonly records: number
  /** SHA-256 of the last valid link; null when there is none. */
  readonly head: string | null
  /** The first file that breaks the chain, and why; null when the chain is whole. */
  readonly broken: { readonly file: string; readonly why: string } | null
}

export const recordName = (sequence: number): string => `${numbered(sequence)}.json`
export const linkName = (sequence: number): string => `${numbered(sequence)}.sha256`
const numbered = (sequence: number): string => String(sequence).padStart(8, '0')

/** The number of a file of the chain; null for a file of another name. */
export function sequenceOf(name: string): number | null {
  const match = /^(\d{8,})\.(json|sha256)$/.exec(name)
  const sequence = Number(match?.[1])
  return match !== null && (name === recordName(sequence) || name === linkName(sequence)) ? sequence : null
}

export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')

/** The link of a record: what `sha256sum` prints of it, and of the link before it. The first has none before it. */
export function linkText(sequence: number, record: string, previous: string | null): string {
  const own = `${sha256(record)}  ${recordName(sequence)}\n`
  return previous === null ? own : `${own}${sha256(previous)}  ${linkName(sequence - 1)}\n`
}

/**
 * Whether every record matches its link, every link follows the one before it, none is missing, and each head that was
 * kept elsewhere is among them. Pure. `verify-script.ts` checks the same in sh.
 */
export function judgeChain(files: ChainFiles, keptHeads: readonly string[] = []): ChainVerdict {
  const heads: string[] = []
  const broken = (file: string, why: string): ChainVerdict => ({
    records: heads.length,
    head: heads.at(-1) ?? null,
    broken: { file, why },
  })
  let previous: string | null = null
  for (let sequence = 1; ; sequence++) {
    const [record, link] = [files.get(recordName(sequence)), files.get(linkName(sequence))]
    if (record === undefined && link === undefined) break
    if (record === undefined) return broken(recordName(sequence), 'it is missing, and its link is there')
    if (link === undefined) return broken(linkName(sequence), 'it is missing, and its record is there')
    if (link !== linkText(sequence, record, previous))
      return broken(linkName(sequence), 'it is not the hash of its record and of the link before it')
    heads.push(sha256(link))
    previous = link
  }
  const inChain = (name: string): boolean => (sequenceOf(name) ?? Number.POSITIVE_INFINITY) <= heads.length
  const stranger = [...files.keys()].filter((name) => /\.(json|sha256)$/.test(name) && !inChain(name)).sort()[0]
  if (stranger !== undefined)
    return broken(stranger, `the chain ends with record ${heads.length}, and this file comes after a gap`)
  const unknown = keptHeads.find((kept) => !heads.includes(kept))
  if (unknown !== undefined)
    return broken(
      linkName(heads.length),
      `no link has the hash ${unknown}: the records that it covered were rewritten or removed`,
    )
  return { records: heads.length, head: heads.at(-1) ?? null, broken: null }
}
