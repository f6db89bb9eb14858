import { asStandbyError } from '../errors.ts'
import type { RecordKind, Records } from '../planning/driver.ts'
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
    async newest(kind, prefix) {
      const keys = await store.list(`${folder(kind)}${prefix}`)
      const key = keys.at(-1)
      const document = key === undefined ? null : await store.get(key)
      return key === undefined || document === null
        ? null
        : { name: key.slice(folder(kind).length, -'.json'.length), record: document.body }
    },
  }
}
