import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { canonicalJson } from '../json.ts'

/** A chart with its dependencies stays far below this. */
const MOST_FILES = 2_000
const LARGEST = 8 * 1024 * 1024

/** A file that the stack names: where it is relative to the stack file, and the SHA-256 of its content. */
export interface NamedFile {
  readonly name: string
  readonly sha256: string
}

/** The file, or all files of the folder, that a stack names; a text that says what is wrong when there is none. */
export async function readNamed(directory: string, named: string): Promise<readonly NamedFile[] | string> {
  const path = resolve(directory, named)
  try {
    const paths = (await stat(path)).isDirectory() ? await filesBelow(path) : [path]
    if (paths.length > MOST_FILES) return `the folder ${named} holds more than ${MOST_FILES} files`
    const files: NamedFile[] = []
    for (const one of paths) {
      if ((await stat(one)).size > LARGEST) return `${relative(directory, one)} is larger than ${LARGEST / 1024 / 1024} MiB`
      files.push({ name: relative(directory, one), sha256: sha256(await readFile(one)) })
    }
    return files
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return `the file ${named} does not exist beside the stack file`
    return `the file ${named} can not be read (${code ?? String(error)})`
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** SHA-256 of a stack file and of all that it names: what a plan binds to. The order of files and of their naming does not matter. */
export function digestOfStack(text: string, files: readonly NamedFile[]): string {
  const named = Object.fromEntries(files.map(({ name, sha256: content }) => [name, content]))
  return sha256(canonicalJson({ stack: sha256(text), files: named }))
}

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex')
