import { asStandbyError } from '../errors/standby-error.ts'
import type { ConditionalStore } from './conditional-store.ts'
import type { Damage } from './damage.ts'
import { type ActiveRecord, activeDocument, type LockRecord, lockDocument } from './documents.ts'
import { ACTIVE, LOCK } from './keys.ts'
import { tryDocument } from './read-document.ts'

export type WitnessView =
  | {
      readonly kind: 'answering'
      readonly active: ActiveRecord | null
      readonly lock: LockRecord | null
      /** Whether a run is at work is unknown; `lock` is null then. */
      readonly damagedLock?: Damage
    }
  /** The witness answers, but which site is active cannot be read. */
  | { readonly kind: 'damaged'; readonly damage: Damage }
  | { readonly kind: 'silent'; readonly why: string }

/** What the witness says now; silence and damage are values. */
export async function readWitness(store: ConditionalStore): Promise<WitnessView> {
  try {
    const [active, lock] = await Promise.all([
      tryDocument(store, activeDocument, ACTIVE),
      tryDocument(store, lockDocument, LOCK),
    ])
    if (active?.kind === 'damaged') return { kind: 'damaged', damage: active }
    const answering = { kind: 'answering', active: active?.record ?? null } as const
    return lock?.kind === 'damaged'
      ? { ...answering, lock: null, damagedLock: lock }
      : { ...answering, lock: lock?.record ?? null }
  } catch (error) {
    return { kind: 'silent', why: asStandbyError(error).message }
  }
}
