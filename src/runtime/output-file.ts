import { constants } from 'node:fs'
import { access, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { inputError, type StandbyError } from '../errors/standby-error.ts'

/**
 * Throws `output-not-writable` where a file could not be written later: asked before any work whose result it would
 * hold.
 */
export async function refuseUnwritable(path: string): Promise<void> {
  const folder = dirname(resolve(path))
  const found = await stat(folder).catch(() => null)
  if (found === null) throw notWritable(path, `the folder ${folder} does not exist`, `Create it: mkdir -p ${folder}`)
  if (!found.isDirectory()) throw notWritable(path, `${folder} is no folder`)
  const there = await stat(path).catch(() => null)
  if (there?.isDirectory()) throw notWritable(path, 'it is a folder')
  await access(there === null ? folder : path, constants.W_OK).catch(() => {
    throw notWritable(path, 'this user must not write there')
  })
}

/** Writes a file that the user named. Throws `output-not-writable`. */
export const writeOutput = (path: string, text: string): Promise<void> => write(path, text, 0o666)

/** As {@link writeOutput}, readable by this user alone, also where the file was there before. */
export async function writeSecret(path: string, text: string): Promise<void> {
  await rm(path, { force: true })
  await write(path, text, 0o600)
}

async function write(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text, { mode }).catch((error: NodeJS.ErrnoException) => {
    throw notWritable(path, error.code ?? error.message)
  })
}

const notWritable = (path: string, why: string, next = 'Name another file.'): StandbyError =>
  inputError('output-not-writable', `${path} cannot be written: ${why}`, { where: path, next })
