import type { SiteName } from './stack.ts'

/** What one vantage point says of a site. */
export interface LivenessSignal {
  /** `load balancer lb-1`, `pg-dc-b (streaming)`. */
  readonly from: string
  /** `unknown` is no vote: the vantage point itself failed. */
  readonly says: 'up' | 'down' | 'unknown'
  readonly what: string
}

/** Whether a site lives. `unknown` never becomes `down` with time. */
export interface Liveness {
  readonly site: SiteName
  readonly is: 'up' | 'down' | 'unknown'
  readonly sightings: readonly LivenessSignal[]
}
