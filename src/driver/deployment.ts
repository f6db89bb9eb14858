import type { BySite } from '../domain/observed.ts'
import type { Progress } from '../domain/progress.ts'
import type { SiteName } from '../domain/stack.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { Json } from '../values/json.ts'

export type Role = 'active' | 'passive'

/** The whole picture that a deploy brings about. */
export interface Deployment {
  readonly activeSite: SiteName
  roleOf(site: SiteName): Role
  readonly observed: BySite
  /** Of the witness; null: it names no active site, as before the first deploy. */
  readonly epoch: number | null
  /** Whether what other hands made is taken over, instead of refused. */
  readonly adopt: boolean
}

/** One unit of declared state: compared first, applied only when it differs, then waited for. */
export interface DeployUnit {
  readonly id: string
  readonly site: SiteName | null
  /** Units that must be ready first; where none is named, passive sites come before the active one. */
  readonly needs: readonly string[]
  readonly title: string
  readonly deadline: Milliseconds
  /** Empty: nothing differs, and nothing will be done. */
  diff(signal: AbortSignal): Promise<Change[]>
  apply(signal: AbortSignal): Promise<void>
  ready(signal: AbortSignal): Promise<Progress>
}

export interface Change {
  /**
   * `refused`: it must not or cannot be, and nothing of the deploy begins. `keep`: what an adoption leaves as it is.
   */
  readonly kind: 'create' | 'update' | 'delete' | 'refused' | 'keep'
  /** `infisical/Cluster/pg-dc-a`. */
  readonly object: string
  /** `spec.instances`; absent for whole objects. Secret values never appear: their hashes do. */
  readonly path?: string
  readonly from?: Json
  readonly to?: Json
  /** Why it is refused, and what to do. */
  readonly why?: string
}
