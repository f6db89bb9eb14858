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
      /** Nobody can say whether a run is at work; `lock` is null then. */
      readonly damagedLock?: Damage
    }
  /** It answers, and nobody can read which site is active. */
  | { readonly kind: 'damaged'; readonly damage: Damage }
  | { readonly kind: 'silent'; readonly why: string }

/** What the witness says now; a silent one is a value, and so is a damaged one. */
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
