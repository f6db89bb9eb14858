import type { BySite } from '../domain/observed.ts'
import type { ComponentName } from '../domain/stack.ts'
import type { PlatformView } from '../platform/platform.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { WitnessView } from '../witness/view.ts'

/** What is true now, as far as it could be seen. A dead site is a value, not an error. */
export interface Observation {
  /** ISO 8601, UTC: by the clock of the witness, where that says it. */
  readonly at: string
  /**
   * How far the clock of this machine is ahead of the one of the witness; null where the witness does not say the time,
   * absent where it was not asked.
   */
  readonly clockSkew?: Milliseconds | null
  readonly witness: WitnessView
  readonly sites: Readonly<Record<string, SiteView>>
  readonly components: Readonly<Record<ComponentName, BySite>>
}

/** Of a site with several platforms: what they amount to, and each by its name (`site-view.ts`). */
export type SiteView = PlatformView & { readonly platforms?: Readonly<Record<string, PlatformView>> }
