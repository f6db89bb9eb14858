import type { BySite } from '../domain/observed.ts'
import type { ComponentName } from '../domain/stack.ts'
import type { Unseen } from '../errors/unseen.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { WitnessView } from '../witness/view.ts'

/** What is true now, as far as it could be seen. A dead site is a value, not an error. */
export interface Observation {
  /** ISO 8601, UTC: by the clock of the witness, where that says it. */
  readonly at: string
  /**
   * How far the clock of this machine is ahead of the one of the witness; null where that does not say the time, absent
   * where nobody asked.
   */
  readonly clockSkew?: Milliseconds | null
  readonly witness: WitnessView
  readonly sites: Readonly<Record<string, SiteView>>
  readonly components: Readonly<Record<ComponentName, BySite>>
}

export type SiteView =
  | {
      readonly kind: 'answering'
      readonly clusterId: string
      readonly version: string
      readonly latency: Milliseconds
      /** How many of its nodes say that they are ready; absent where nobody may ask. */
      readonly nodes?: { readonly ready: number; readonly total: number }
    }
  /** It answers, but it is not the cluster that the stack file names. */
  | { readonly kind: 'stranger'; readonly clusterId: string }
  /** It could not be looked at; the cause says whether that is the site's silence, or a fault on our own side. */
  | { readonly kind: 'silent'; readonly cause: Unseen; readonly why: string; readonly triedFrom: readonly string[] }
