import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { BySite } from '../domain/observed.ts'
import type { PlannedStep } from '../domain/plan.ts'
import type { ComponentName, Objectives, SiteName, Stack } from '../domain/stack.ts'
import type { Milliseconds } from '../values/duration.ts'

/**
 * `within`, in milliseconds of the witness' naming another site, or null: nothing can be promised, and what would mend
 * that.
 */
export type SelfFencing<Step = PlannedStep> =
  | { readonly within: Milliseconds; readonly wait: Step }
  | { readonly within: null; readonly why: string; readonly next: string }

/** Where a component keeps its objects for a site; null where it is none that keeps any. */
export type LocationOf = (component: ComponentName, site: SiteName) => ObjectStoreLocation | null

/** What surrounds an assessment: values only. */
export interface Assessment {
  /** ISO 8601: time comes in as a value. */
  readonly now: string
  readonly objectives: Objectives
  /** Which site the witness calls active; null when that is not known. */
  readonly activeSite: string | null
  readonly stack: Stack
  /**
   * Of a move: what was seen of the component at the sites that are neither end of it. What they offer, such as one
   * more vote, may spare the move a finding. What is wrong with them stands against no move that does without them.
   */
  readonly elsewhere?: BySite
}
