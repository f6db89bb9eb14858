import type { ComponentName, SiteName } from '../domain/stack.ts'
import type { Milliseconds } from '../duration.ts'
import type { Json } from '../json.ts'
import type { Unseen } from '../unseen.ts'
import type { Damage } from '../witness/damage.ts'

/** What is true now, as far as it could be seen. A dead site is a value, not an error. */
export interface Observation {
  /** ISO 8601, UTC: by the clock of the witness, where that says it. */
  readonly at: string
  /** How far the clock of this machine is ahead of the one of the witness; null where that does not say the time, absent where nobody asked. */
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

export type WitnessView =
  | {
      readonly kind: 'answering'
      readonly active: ActiveRecord | null
      readonly lock: LockRecord | null
      /** Nobody can say whether a run is at work; `lock` is null then. */
      readonly damagedLock?: Damage
    }
  /** It answers, and nobody can read which site is active. */
  | { readonly kind: 'damaged'; readonly damage: Damage }
  | { readonly kind: 'silent'; readonly why: string }

/** `active.json`: which site is active, and since when; changed by compare-and-set only. */
export interface ActiveRecord {
  readonly schemaVersion: 1
  readonly stack: string
  readonly epoch: number
  readonly activeSite: string
  readonly since: string
  readonly run: string
  /** The process of that run that may change it now: one that was taken over from, and wakes up late, is not it. Absent before the first move. */
  readonly holder?: string
}

/** `lock.json`: who may change the stack now. */
export interface LockRecord {
  readonly schemaVersion: 1
  readonly stack: string
  readonly epoch: number
  readonly holder: string
  readonly purpose: string
  readonly takenAt: string
  readonly expiresAt: string
  readonly released: boolean
}

/** The key in {@link BySite} of a component that belongs to no site, such as a global load balancer. */
export const EVERYWHERE = '*'

/** What a driver saw of one component, per site name (or under {@link EVERYWHERE}). */
export type BySite<State = unknown> = Readonly<Record<string, Observed<State>>>

export type Observed<State = unknown> =
  | ({ readonly kind: 'answering'; readonly state: State } & Summary)
  /** The site answers and the component is not there. */
  | { readonly kind: 'absent'; readonly why: string }
  | { readonly kind: 'silent'; readonly why: string }

/** What `status` shows without knowing the system behind it. */
export interface Summary {
  /** What the component itself says it is; `split` when parts of it disagree. */
  readonly role: 'active' | 'passive' | 'split' | 'unknown'
  readonly health: 'healthy' | 'degraded' | 'down'
  /** One line for a table: `primary, timeline 4, 1/1 ready`. */
  readonly text: string
  /** ISO 8601 end of the last good backup. */
  readonly lastBackup?: string
  /** Whether a deploy of this stack made it, by the labels that it carries; absent where nobody can tell. */
  readonly madeBy?: 'standby' | 'others'
  readonly facts: readonly Fact[]
}

/** How far a passive component is behind; null where it cannot be known. */
export interface Gap {
  readonly segments: number | null
  readonly bytes: number | null
  readonly seconds: number | null
}

/**
 * A fact that a plan rests on. A decision fact must be the same when the plan is executed;
 * a volatile one may move, up to its tolerance.
 */
export type Fact = (
  | { readonly name: string; readonly value: Json; readonly binds: 'exactly' }
  | { readonly name: string; readonly value: number; readonly binds: 'at-most'; readonly limit: number; readonly unit: string }
) & {
  /** The only kind of move that rests on it; absent: each does. Not part of a plan, which has its own facts only. */
  readonly only?: 'switchover' | 'failover' | 'rejoin' | 'reopen'
}

/** Where `intent` may act: the two ends of a move. */
export interface MoveEnds {
  readonly from: SiteName
  readonly to: SiteName
}
