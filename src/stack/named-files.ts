import { createHash } from 'node:crypto'
import { readFileSync, type Stats } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { NamedPath } from '../domain/declaration.ts'
import type { Stack } from '../domain/stack.ts'
import { canonicalJson, isObject, type Json } from '../values/json.ts'
import { judgeCertificates } from './certificates.ts'

/** A chart with its dependencies stays far below this. */
const MOST_FILES = 2_000
const LARGEST = 8 * 1024 * 1024

/** A file that the stack names: where it is relative to the stack file, and the SHA-256 of its content. */
export interface NamedFile {
  readonly name: string
  readonly sha256: string
}
export interface ReadNamed {
  readonly files: readonly NamedFile[]
  readonly problems: readonly { readonly what: string; readonly severity?: 'warning' }[]
}

/**
 * The file, or all files of the folder, that a stack names; or what is wrong with it. Follows links: their targets are
 * used.
 */
export async function readNamed(directory: string, { path: named, is }: NamedPath): Promise<ReadNamed> {
  const wrong = (what: string): ReadNamed => ({ files: [], problems: [{ what }] })
  const path = resolve(directory, named)
  try {
    const found = await stat(path)
    const kind = kindOf(found)
    if (is === 'mapping' && kind !== 'file') return wrong(`${named} is ${kind}, and must be a YAML file`)
    if (is === 'certificates' && kind !== 'file')
      return wrong(`${named} is ${kind}, and must be a PEM file with certificates`)
    if (is === 'chart' && kind !== 'folder') return wrong(`${named} is ${kind}, and must be the folder of a chart`)
    const paths = is === 'chart' ? await filesBelow(path) : [path]
    if (paths.length > MOST_FILES) return wrong(`the folder ${named} holds more than ${MOST_FILES} files`)
    if (is === 'chart' && !paths.includes(join(path, 'Chart.yaml')))
      return wrong(`the folder ${named} holds no Chart.yaml: it is no chart`)
    const files: NamedFile[] = []
    const warnings: ReadNamed['problems'][number][] = []
    for (const one of paths) {
      const { size } = await stat(one)
      if (size > LARGEST) return wrong(`${relative(directory, one)} is larger than ${LARGEST / 1024 / 1024} MiB`)
      const content = await readFile(one)
      const broken = is === 'mapping' ? noMapping(content.toString('utf8')) : null
      if (broken !== null) return wrong(`${named} ${broken}`)
      if (is === 'certificates') {
        const judged = judgeCertificates(content.toString('utf8'), new Date())
        if (judged.refused !== null) return wrong(`${named} ${judged.refused}`)
        warnings.push(...judged.warnings.map((what) => ({ what: `${named} ${what}`, severity: 'warning' as const })))
      }
      files.push({ name: relative(directory, one), sha256: sha256(content) })
    }
    return { files, problems: [...warnings, ...(await outside(directory, path, named))] }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return wrong(`the file ${named} does not exist beside the stack file`)
    if (code === 'ELOOP') return wrong(`${named} leads back to itself`)
    return wrong(`the file ${named} cannot be read (${code ?? String(error)})`)
  }
}

/** The text of a file that a loaded stack names. */
export const readNamedFile = (stack: Stack, path: string): Promise<string> =>
  readFile(resolve(stack.source.directory, path), 'utf8')
/** The same, synchronous: for a few kilobytes that were judged when the stack was loaded. */
export const readNamedFileNow = (stack: Stack, path: string): string =>
  readFileSync(resolve(stack.source.directory, path), 'utf8')

/** Refuses special files: a FIFO would block for ever, and a device has no end. */
function kindOf(found: Stats): string {
  if (found.isFile()) return 'file'
  if (found.isDirectory()) return 'folder'
  if (found.isFIFO()) return 'a pipe'
  return found.isSocket() ? 'a socket' : 'a device'
}

/** All files below a folder, by their paths; follows links, and visits no folder twice. */
async function filesBelow(folder: string, within: readonly string[] = []): Promise<string[]> {
  const real = await realpath(folder)
  if (within.includes(real)) return []
  const entries = await readdir(folder)
  const found: string[] = []
  for (const name of entries.sort()) {
    const path = join(folder, name)
    const kind = kindOf(await stat(path))
    if (kind === 'file') found.push(path)
    else if (kind === 'folder') found.push(...(await filesBelow(path, [...within, real])))
    else throw new Error(`${name} in it is ${kind}`)
    if (found.length > MOST_FILES) return found
  }
  return found
}

/** The file must hold a mapping or be empty: the program that merges such files needs that. */
function noMapping(text: string): string | null {
  const documents = parseAllDocuments(text, { logLevel: 'error' })
  const list = Array.isArray(documents) ? documents : []
  const [error] = list.flatMap(({ errors }) => errors)
  if (error !== undefined) return `is not YAML (line ${error.linePos?.[0].line ?? 1})`
  if (list.length > 1) return 'holds more than one document'
  const value = (list[0]?.toJS({ maxAliasCount: 100 }) ?? null) as Json
  return value === null || isObject(value) ? null : 'must hold a mapping'
}

/**
 * Refuses a path outside of the folder: such a file is not reviewed with the stack file, and differs between checkouts.
 */
async function outside(directory: string, path: string, named: string): Promise<ReadNamed['problems']> {
  const [home, real] = await Promise.all([realpath(directory), realpath(path)])
  const isBelow = (place: string, at: string): boolean => at === place || at.startsWith(`${place}${sep}`)
  return isBelow(home, real) && isBelow(resolve(directory), path)
    ? []
    : [
        {
          what: `${named} is outside of the folder of the stack file: on another machine it may differ`,
          severity: 'warning',
        },
      ]
}

/**
 * SHA-256 of a stack file and of all files that it names: a plan is bound to it. The order of files and of their naming
 * does not matter.
 */
export function digestOfStack(text: string, files: readonly NamedFile[]): string {
  const named = Object.fromEntries(files.map(({ name, sha256: content }) => [name, content]))
  return sha256(canonicalJson({ stack: sha256(text), files: named }))
}

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex')
