import type { Role } from '../../driver/deployment.ts'

/** The parameters of this driver's steps, as they stand in a plan. */

/** How many replicas served when the move was planned; null: unknown. */
export type Before = { readonly before: number | null }
/** null: the number of the release. */
export type Start = { readonly replicas: number | null }
/** `look`: id of the step whose change is undone. */
export type EndLook = { readonly look: string }
export type Reconcile = { readonly role: Role }
