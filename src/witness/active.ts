import { StandbyError } from '../errors/standby-error.ts'
import type { JsonObject } from '../values/json.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { type ActiveRecord, activeDocument } from './documents.ts'
import { ACTIVE } from './keys.ts'
import { readDocument, type Versioned } from './read-document.ts'

/** Throws `witness-damaged`: an unreadable record is never planned on, and never overwritten. */
export const readActive = (store: ConditionalStore): Promise<Versioned<ActiveRecord> | null> =>
  readDocument(store, activeDocument, ACTIVE)

/**
 * Names the first active site of a stack that was never deployed. Fails with `witness-conflict` when it is named
 * already.
 */
export async function createActive(store: ConditionalStore, record: ActiveRecord): Promise<void> {
  await store.create(ACTIVE, asDocument(record))
}

/** Changes the active record, if its version is still the one that was read. */
export async function replaceActive(
  store: ConditionalStore,
  record: ActiveRecord,
  expected: Versioned<ActiveRecord>,
): Promise<void> {
  if (record.epoch < expected.record.epoch)
    throw new StandbyError({
      code: 'epoch-would-shrink',
      mustAct: 'defect',
      what: `epoch ${record.epoch} after ${expected.record.epoch}`,
    })
  await store.replace(ACTIVE, asDocument(record), expected.version)
}

const asDocument = (record: ActiveRecord): JsonObject => ({ ...record })
