import type { Fact } from './fact.ts'

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
  /** Whether a deploy of this stack made it, by its labels; absent where that cannot be known. */
  readonly madeBy?: 'standby' | 'others'
  readonly facts: readonly Fact[]
}

/** Where the writes of a component have gone by themselves, as the component proves it. */
export interface TakenOver {
  /** The only site that takes writes of it. */
  readonly site: string
  /** ISO 8601; null: not known. */
  readonly since: string | null
  /** A clause: `pg-b1 holds the lock of Patroni`. */
  readonly by: string
}

/** How far a passive component is behind; null where it cannot be known. */
export interface Gap {
  readonly segments: number | null
  readonly bytes: number | null
  readonly seconds: number | null
}
