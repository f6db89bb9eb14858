import { isObject } from '../../../values/json.ts'
import type { StoreView } from './store.ts'

/** A key of the scope with the revision of its last write. */
export interface StoredKey {
  readonly value: string
  readonly revision: string
}

/** What Patroni keeps below its scope (patroni/dcs/__init__.py), by the names of its keys there. Pure. */
export function viewOf(entries: ReadonlyMap<string, StoredKey>): StoreView {
  const config = entries.get('config')
  const value = config === undefined ? null : parsed(config.value)
  const lines = parsed(entries.get('history')?.value ?? '')
  const promotedAt = promotedAtIn(lines)
  return {
    config: config !== undefined && isObject(value) ? { value, revision: config.revision } : null,
    leader: entries.get('leader')?.value || null,
    initialized: entries.get('initialize')?.value || null,
    history: historyIn(lines),
    ...(promotedAt === null ? {} : { promotedAt }),
    switchover: switchoverIn(entries.get('failover')?.value ?? ''),
  }
}

/** Patroni leaves `{}` where a switchover or a failover inside the site has ended (manual_failover of its dcs). */
function switchoverIn(value: string): string | null {
  const asked = parsed(value)
  return value === '' || (isObject(asked) && Object.keys(asked).length === 0) ? null : value
}

/** `[[1, 50331808, "no recovery target specified", "2026-11-30T08:00:00+00:00", "pg-a1"], …]`. Pure. */
export const historyIn = (value: unknown): [number, number][] =>
  Array.isArray(value)
    ? value.flatMap((line: unknown): [number, number][] =>
        Array.isArray(line) && typeof line[0] === 'number' && typeof line[1] === 'number' ? [[line[0], line[1]]] : [],
      )
    : []

/** When the newest line of a history was written. Pure. */
function promotedAtIn(value: unknown): string | null {
  const last: unknown = Array.isArray(value) ? value.at(-1) : null
  const at = Array.isArray(last) && typeof last[3] === 'string' ? new Date(last[3]) : null
  return at === null || Number.isNaN(at.getTime()) ? null : at.toISOString()
}

/** JSON of a store, or null. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
