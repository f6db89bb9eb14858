import type { FenceLevel } from '../domain/fence-levels.ts'
import type { Loss } from '../domain/plan.ts'
import type { JsonObject } from '../values/json.ts'

/** Everything that a step may state about itself; `details` is for the record alone and is never read by code. */
export interface Proof {
  readonly details?: JsonObject
  readonly loss?: MeasuredLoss
  readonly divergence?: Divergence
  readonly fence?: FenceProof
}

/**
 * Of a promotion: what the new history lacks. Read by evidence/measured-loss.ts (today `proof.loss`, shape checked by
 * hand).
 */
export interface MeasuredLoss extends Loss {
  readonly of: 'writes' | 'cache'
  /** ISO 8601, of the last commit that the new site has; null: not known. */
  readonly lastCommitAt: string | null
}

/**
 * Of a rejoin: what was committed on the former active site alone. Read by evidence/kept-loss.ts (today `proof.found`).
 */
export interface Divergence {
  readonly bytes: Interval
  readonly rows: Interval
  readonly commits: Interval
  readonly tables: readonly {
    readonly table: string
    readonly inserted: number
    readonly updated: number
    readonly deleted: number
  }[]
  readonly firstCommitAt: string | null
  readonly lastCommitAt: string | null
  readonly why: string
  /** Where the rows themselves are kept: key in the object store or path; null where they could not be. */
  readonly keptAt: string | null
}
/** Lower and upper end; an upper end of null is not known. */
export type Interval = readonly [number, number | null]

/** Of a fence: which level holds, who saw it, and how. */
export interface FenceProof {
  readonly level: FenceLevel
  /** seen: somebody looked and it is shut. time: it must have shut itself by now. */
  readonly by: 'seen' | 'time'
  /** ISO 8601: not later than this the last write was taken. */
  readonly closedAt: string
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
