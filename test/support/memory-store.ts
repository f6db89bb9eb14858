import { StandbyError } from '../../src/errors/standby-error.ts'
import type { JsonObject } from '../../src/values/json.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'

export interface MemoryDocument {
  readonly body: JsonObject
  readonly version: string
}

export type MemoryStore = ConditionalStore & {
  readonly documents: Map<string, MemoryDocument>
  readonly texts: Map<string, string>
}

/** A ConditionalStore in memory with the semantics of a real one: for tests that run thousands of worlds. */
export function memoryStore(stack: string | null = null): MemoryStore {
  const documents = new Map<string, MemoryDocument>()
  const texts = new Map<string, string>()
  let version = 0
  const conflict = (key: string): StandbyError =>
    new StandbyError({ code: 'witness-conflict', mustAct: 'site', what: `${key} was written by somebody else` })
  const write = (key: string, body: JsonObject): string => {
    version += 1
    documents.set(key, { body: structuredClone(body), version: String(version) })
    return String(version)
  }
  return {
    stack,
    documents,
    texts,
    get: async (key) => documents.get(key) ?? null,
    create: async (key, body) => {
      if (documents.has(key)) throw conflict(key)
      return write(key, body)
    },
    replace: async (key, body, expected) => {
      if (documents.get(key)?.version !== expected) throw conflict(key)
      return write(key, body)
    },
    getText: async (key) => texts.get(key) ?? null,
    createText: async (key, text) => {
      if (texts.has(key) && texts.get(key) !== text) throw conflict(key)
      texts.set(key, text)
    },
    time: async () => null,
    list: async (prefix) => [...documents.keys(), ...texts.keys()].filter((key) => key.startsWith(prefix)).sort(),
  }
}
