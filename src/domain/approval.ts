import type { JsonObject } from '../values/json.ts'

/** Who approved a move, and the proof of that; recorded in the evidence. */
export interface Approval {
  /** local: the stack file demands no approval, and the holder of the credentials gave a reason. */
  readonly kind: 'github-environment' | 'signatures' | 'local'
  readonly digest: string
  readonly approvers: readonly { readonly id: string; readonly name: string }[]
  readonly requestedBy: string
  readonly reason: string | null
  readonly proof: JsonObject
}
