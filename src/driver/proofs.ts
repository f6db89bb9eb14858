import type { Loss } from '../domain/plan.ts'
import type { JsonObject } from '../values/json.ts'

/** Everything that a step may state about itself; `details` is for the record alone and is never read by code. */
export interface Proof {
  readonly details?: JsonObject
  readonly loss?: MeasuredLoss
  /** Of a rejoin: what was committed on the former active site alone, as `evidence/kept-loss.ts` reads it. */
  readonly found?: JsonObject
}

/** Of a promotion: what the new history lacks, as `evidence/measured-loss.ts` reads it. */
export interface MeasuredLoss extends Loss {
  readonly of: 'writes' | 'cache'
  /** ISO 8601, of the last commit that the new site has; null: not known. */
  readonly lastCommitAt: string | null
}

/**
 * How components that need this one reach its restored copy inside a sandbox; by kind, so that a reader can refuse
 * another kind.
 */
export type RestoreEndpoint =
  | {
      readonly kind: 'postgres'
      readonly host: string
      readonly port: number
      readonly database: string
      readonly user: string
      readonly credentials: SandboxSecret
    }
  | { readonly kind: 'redis'; readonly host: string; readonly port: number; readonly credentials: SandboxSecret | null }
  | { readonly kind: 'http'; readonly url: string }
/** A Secret, a file: named by the platform of the sandbox; never the value. */
export interface SandboxSecret {
  readonly name: string
  readonly keys: Readonly<Record<string, string>>
}
