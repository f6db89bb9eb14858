import { asStandbyError, type StandbyError } from '../errors/standby-error.ts'
import type { Log } from '../runtime/log.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { damagedError, damageText } from './damage.ts'
import { tryDocument } from './read-document.ts'
import type { RecordKind, Records } from './records.ts'

/**
 * Records in the witness: `records/backups/<name>.json`. The last part of a name is its time; a record is written once.
 * A damaged record is skipped with a warning, and the one before it is used; if no sound one is left, the damage is an
 * error, so that "none" is never reported falsely. A damaged fork record that decides is never skipped: a history that
 * was cut off could be restored.
 */
export function recordsIn(store: ConditionalStore, log: Pick<Log, 'warning'>): Records {
  const folder = (kind: RecordKind): string => `records/${kind}/`
  return {
    way: store.way,
    async write(kind, name, record) {
      try {
        await store.create(`${folder(kind)}${name}.json`, record)
      } catch (error) {
        // The same step of the same run may write twice: the first record stays.
        if (asStandbyError(error).code !== 'witness-conflict') throw error
      }
    },
    async newest(kind, prefix, document, meant = () => true, decides = () => true) {
      const keys = await store.list(`${folder(kind)}${prefix}`)
      let damaged: StandbyError | null = null
      for (const key of keys.sort(byTime).slice(-LOOKED_AT).reverse()) {
        const name = key.slice(folder(kind).length, -'.json'.length)
        const decoded = await tryDocument(store, document, key)
        if (decoded === null) continue
        if (decoded.kind === 'sound') {
          if (meant(decoded.record)) return { name, record: decoded.record }
          continue
        }
        if (kind === 'forks' && decides(name)) throw damagedError(decoded)
        if (kind !== 'forks') damaged ??= damagedError(decoded)
        log.warning(`${damageText(decoded)}; it is skipped`)
      }
      if (damaged !== null) throw damaged
      return null
    },
  }
}

/** Limits the search, so that a caller does not wait for years of history. */
const LOOKED_AT = 30

/** Under a prefix with several folders, the names of the folders are not times. */
const byTime = (one: string, other: string): number => {
  const [left, right] = [one, other].map((key) => key.slice(key.lastIndexOf('/') + 1)) as [string, string]
  if (left !== right) return left < right ? -1 : 1
  return one < other ? -1 : Number(one > other)
}
