import type { Component, SiteName } from '../domain/stack.ts'
import type { DriverContext } from './context.ts'

/**
 * What the guard of one machine asks a driver. A site on machines has a guard on each of them, which reaches its own
 * machine alone: there, closing means that units are stopped, and kept from starting.
 */
export interface GuardedUnits<Spec> {
  /** The units of a component on one machine of a site; none where nothing of it writes there. Pure. */
  units(component: Component<Spec>, site: SiteName, machine: string): readonly GuardedUnit[]
}

export interface GuardedUnit {
  /** As systemd knows it: `patroni`, `redis-server.service`. */
  readonly unit: string
  /**
   * What it does, and what it would do when it is started. Asked on a site that is not proven active. Read-only, and
   * bounded by the signal of the context. Throws where that cannot be seen.
   */
  look(context: DriverContext): Promise<SeenUnit>
}

export interface SeenUnit {
  /**
   * passive: as it should be on a passive site. open: it takes writes, or can begin to without a human. shut: it is
   * stopped, or refuses all writes, and would be open otherwise. unknown: none of these is proven.
   */
  readonly is: 'passive' | 'open' | 'shut' | 'unknown'
  /** What its next start would make of it. */
  readonly start: 'harmless' | 'opens' | 'unknown'
  /** For a person, without a full stop: "its store says that the site follows dc-b". */
  readonly why: string
}

/** The full name of a unit: `patroni` is a service. */
export const serviceNamed = (unit: string): string =>
  /\.(?:service|socket|target|timer|path)$/.test(unit) ? unit : `${unit}.service`
