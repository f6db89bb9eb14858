import type { JsonObject } from '../values/json.ts'

/** Who allowed a move, and how that was proven; recorded in the evidence. */
export interface Approval {
  /** local: the stack file demands nobody's approval, and whoever held the credentials gave a reason. */
  readonly kind: 'github-environment' | 'signatures' | 'local'
  readonly digest: string
  readonly approvers: readonly { readonly id: string; readonly name: string }[]
  readonly requestedBy: string
  readonly reason: string | null
  readonly proof: JsonObject
}
