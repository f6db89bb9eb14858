import type { Observed } from '../../domain/observed.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DeclaredCodes } from '../../driver/codes.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import type { Milliseconds } from '../../values/duration.ts'
import type { TRAFFIC_CODES } from './codes.ts'

/**
 * What an instance does now (`runtime`), and what it would do after a reload or a restart (`file`): a value that leads
 * to a site, the value of closed doors, or null where nothing is set.
 */
export interface Held {
  readonly runtime: string | null
  readonly file: string | null
}
export const holds = (held: Held, value: string): boolean => held.runtime === value && held.file === value

/** What is read of an instance at once. A driver adds what its own `set` needs, such as the content of a file. */
export interface Reading<H extends Held = Held> {
  readonly view: H
}

/** One load balancer among several that are always set together. */
export interface Instance {
  readonly name: string
  /** A URL of the application through this instance. */
  readonly url: string
  /** It stands in this site, and is lost with it; absent: outside of all sites. */
  readonly site?: string
}

/** An instance that can be asked and set. */
export interface ReachedInstance<R extends Reading> {
  read(signal: AbortSignal): Promise<R>
  /**
   * Sets the value, first where it survives a reload, then at run time, and ends the open sessions of `cut`, so that a
   * kept-alive connection reaches it no more. Idempotent. Returns how many sessions of `cut` are still open. `before`
   * is what was read just before: it saves a question, and shows when another writer is faster.
   */
  set(
    to: { readonly value: string; readonly before: R; readonly cut: string | null },
    signal: AbortSignal,
  ): Promise<number>
}

/** How a switch is verified from outside. */
export interface Verification {
  /** The response header that names the serving site. */
  readonly header: string
  /** Answers in a row that must come from the site, through every instance. Default 3. */
  readonly answers?: number
}

/** All that differs between one kind of load balancer and another; the moves of traffic are the same for all. */
export interface LoadBalancers<Spec, R extends Reading> {
  readonly codes: DeclaredCodes<typeof TRAFFIC_CODES>
  instances(component: Component<Spec>): readonly Instance[]
  /** The value that leads users to a site. */
  valueOf(component: Component<Spec>, site: SiteName | string): string
  /** The site that a value leads users to; null for the closed value, and for values of others. */
  siteOf(component: Component<Spec>, value: string | null): string | null
  /** The value while no site may serve. */
  closedValue(component: Component<Spec>): string
  verification(component: Component<Spec>): Verification | null
  /** `ssh://host:port`, to measure the way to an instance by. */
  address(component: Component<Spec>, name: string): string
  /** `deadline`: of each question; the driver's own when absent. Asks nothing yet. */
  reach(
    component: Component<Spec>,
    name: string,
    context: DriverContext,
    how: { readonly reach: Reach; readonly deadline?: Milliseconds },
  ): Promise<ReachedInstance<R>>
  /** Open sessions of what a value leads to; null: of what an earlier setting leads to, where that can be seen. */
  sessions(view: R['view'], value: string | null): number
  /** What is set by hand: `key`, `file`. */
  readonly nameOfSetting: string
  /** The name of the value, as a fact of the plan and in a deploy's difference. */
  nameOfValue(component: Component<Spec>): string
  /** What a deploy changes on an instance: `lb-1:/etc/haproxy/maps/standby.map`. */
  objectOf(component: Component<Spec>, name: string): string
  /** An instance that has no value at all: what is wrong, and what to do. */
  unset(component: Component<Spec>, name: string): { readonly what: string; readonly next: string }
}

/** Where each instance sends users, and where it would after a reload. */
export interface TrafficState<H extends Held = Held> {
  readonly instances: Readonly<Record<string, InstanceView<H>>>
}
export type InstanceView<H extends Held = Held> =
  | ({ readonly kind: 'answering' } & H)
  | { readonly kind: 'silent'; readonly why: string }

export type SeenTraffic<H extends Held = Held> = Observed<TrafficState<H>>

/** The isolation of a failover lets a question to an instance of the lost site through for so long, and no other. */
export function reachOf({ site }: Pick<Instance, 'site'>, mayBeLost: Milliseconds | null = null): Reach {
  if (site === undefined) return 'outside-sites'
  return { site: site as SiteName, ...(mayBeLost === null ? {} : { mayBeLost }) }
}
