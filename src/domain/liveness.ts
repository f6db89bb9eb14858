import type { SiteName } from './stack.ts'

/** What one vantage point says of a site. */
export interface LivenessSignal {
  /** `load balancer lb-1`, `pg-dc-b (streaming)`. */
  readonly from: string
  /** `unknown` is no vote: it looked, and its own eyes failed. */
  readonly says: 'up' | 'down' | 'unknown'
  readonly what: string
}

/** Whether a site lives. `unknown` stays unknown, however long it lasts: time is no witness. */
export interface Liveness {
  readonly site: SiteName
  readonly is: 'up' | 'down' | 'unknown'
  readonly sightings: readonly LivenessSignal[]
}
