import { asStandbyError } from '../errors.ts'
import type { RecordKind, Records } from '../planning/records.ts'
import type { ConditionalStore } from './conditional-store.ts'

/** Records in the witness: `records/backups/<name>.json`. Names sort by time; a record is written once. */
export function recordsIn(store: ConditionalStore): Records {
  const folder = (kind: RecordKind): string => `records/${kind}/`
  return {
    async write(kind, name, record) {
      try {
        await store.create(`${folder(kind)}${name}.json`, record)
      } catch (error) {
        // The same step of the same run may write twice: the first record stands.
        if (asStandbyError(error).code !== 'witness-conflict') throw error
      }
    },
    async newest(kind, prefix, meant = () => true) {
      const keys = await store.list(`${folder(kind)}${prefix}`)
      for (const key of keys.slice(-LOOKED_AT).reverse()) {
        const document = await store.get(key)
        if (document !== null && meant(document.body))
          return { name: key.slice(folder(kind).length, -'.json'.length), record: document.body }
      }
      return null
    },
  }
}

/** Whoever waits for an answer does not read a history of years. */
const LOOKED_AT = 30
