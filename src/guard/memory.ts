import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Knowledge } from './decide.ts'
import type { Guard } from './guard-site.ts'

/**
 * Keeps what a guard knows in a folder that is lost with the pod or with the machine's memory, whichever goes first: a crash of the guard
 * then proves nothing anew, and a boot proves nothing at all. Without a folder nothing is kept.
 */
export function memoryIn(folder: string | undefined): Guard['memory'] {
  if (folder === undefined) return { load: () => null, save: () => undefined }
  const path = join(folder, 'knowledge.json')
  return {
    load() {
      try {
        return knowledgeIn(JSON.parse(readFileSync(path, 'utf8')))
      } catch {
        return null
      }
    },
    save(knowledge) {
      try {
        mkdirSync(folder, { recursive: true })
        // Whole or not at all: a guard that is killed while it writes must not read half of it.
        writeFileSync(`${path}.new`, JSON.stringify(knowledge))
        renameSync(`${path}.new`, path)
      } catch {
        // A full disk must not end the guard: after its next crash it proves itself anew.
      }
    },
  }
}

function knowledgeIn(value: unknown): Knowledge | null {
  const found = value as Partial<Knowledge> | null
  const numbers = [found?.epoch, found?.readAt, found?.aliveAt].every(Number.isFinite)
  const site = found?.activeSite === null || typeof found?.activeSite === 'string'
  return numbers && site ? { ...(found as Knowledge), readable: false } : null
}
