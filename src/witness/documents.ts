import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { JsonObject } from '../values/json.ts'
import { documentKind } from './decode.ts'

const RESTORE = 'Restore its earlier version (the bucket keeps them)'

/** `active.json`: which site is active, and since when; changed by compare-and-set only. */
export interface ActiveRecord {
  readonly schemaVersion: 1
  readonly stack: string
  readonly epoch: number
  readonly activeSite: string
  readonly since: string
  readonly run: string
  /**
   * The process of that run that may change it now. A process that another one took over from may not, even if it wakes
   * up late. Absent before the first move.
   */
  readonly holder?: string
}

export const activeDocument = documentKind<ActiveRecord>(
  'witness.schema.json#/$defs/active',
  `Find out which site serves. ${RESTORE}, or write the record anew by hand: docs/witness.md, "Damage".`,
)

/** `lock.json`: who may change the stack now. */
export interface LockRecord {
  readonly schemaVersion: 1
  readonly stack: string
  readonly epoch: number
  readonly holder: string
  readonly purpose: string
  readonly takenAt: string
  readonly expiresAt: string
  readonly released: boolean
}

export const lockDocument = documentKind<LockRecord>(
  'witness.schema.json#/$defs/lock',
  `Make sure that no run is at work. ${RESTORE}, or write a released lock by hand: docs/witness.md, "Damage".`,
)

/** Which run has executed which plan. */
export interface NonceRecord {
  readonly schemaVersion: 1
  readonly plan: string
  readonly run: string
}
export const nonceDocument = documentKind<NonceRecord>(
  'witness.schema.json#/$defs/nonce',
  'Whether this plan was executed is unknown. Make a new plan.',
)

export const planDocument = documentKind<Plan>(
  'plan.schema.json',
  `${RESTORE}: without its plan this run cannot be continued. Other operations go on.`,
)

export const approvalDocument = documentKind<Approval>(
  'evidence.schema.json#/$defs/approval',
  `${RESTORE}, or approve the end of this run anew. Other operations go on.`,
)

/** The result of a restore test, as far as other operations use it. */
export interface RestoreTestRecord extends JsonObject {
  readonly at: string
  readonly verdict: 'restorable' | 'degraded' | 'not-restorable' | 'inconclusive'
  readonly provenRpo: number | null
  readonly provenRto: number | null
}
export const restoreTestDocument = documentKind<RestoreTestRecord>(
  'witness.schema.json#/$defs/restoreTest',
  'Test the backups anew: standby verify-backup.',
)
