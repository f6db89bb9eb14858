import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject } from '../values/json.ts'
import { defectOf } from '../witness/judge-document.ts'
import type { Knowledge } from './decide.ts'
import type { Guard } from './guard-site.ts'

/**
 * Keeps the knowledge of a guard in a folder that is lost with the pod or with the machine's memory, whichever is lost
 * first: the knowledge survives a crash of the guard, and never a boot. Without a folder nothing is kept.
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
        // Atomic: a guard that is killed while it writes must not read half of a file.
        writeFileSync(`${path}.new`, JSON.stringify(knowledge))
        renameSync(`${path}.new`, path)
      } catch {
        // A full disk must not end the guard: after its next crash it starts without knowledge.
      }
    },
  }
}

/** Knowledge that this version would not accept is dropped: the guard starts without it. */
function knowledgeIn(value: unknown): Knowledge | null {
  if (!isObject(value)) return null
  const { epoch, activeSite, changed, readAt, aliveAt } = value
  if (typeof readAt !== 'number' || typeof aliveAt !== 'number' || typeof changed !== 'boolean') return null
  if (typeof epoch !== 'number' || (epoch !== 0 && defectOf(EPOCH, epoch) !== null)) return null
  if (activeSite !== null && typeof activeSite !== 'string') return null
  return { epoch, activeSite, changed, readAt, aliveAt, readable: false }
}
const EPOCH = 'witness.schema.json#/$defs/epoch'
