import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { JsonObject } from '../json.ts'
import type { ActiveRecord, LockRecord } from '../observation/observation.ts'
import { documentKind } from './decode.ts'

const RESTORE = 'Restore its earlier version (the bucket keeps them)'

export const activeDocument = documentKind<ActiveRecord>(
  'witness.schema.json#/$defs/active',
  `Find out which site serves. ${RESTORE}, or write the record anew by hand: docs/witness.md, "Damage".`,
)

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
  'Nobody can say whether this plan was executed. Make a new plan.',
)

export const planDocument = documentKind<Plan>(
  'plan.schema.json',
  `${RESTORE}: without its plan nobody can continue this run. Other operations go on.`,
)

export const approvalDocument = documentKind<Approval>(
  'evidence.schema.json#/$defs/approval',
  `${RESTORE}, or approve the end of this run anew. Other operations go on.`,
)

/** What a restore test found, as far as others rest on it. */
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
