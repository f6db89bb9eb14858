import { type ComponentLoss, type Finding, type Intent, leavesLostSite, type PlannedStep } from '../domain/plan.ts'
import type { Component, Stack } from '../domain/stack.ts'
import { componentLoss, takenOverBy } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { isPromoted } from './fence-coverage.ts'

/** A component whose writes are on another site than the witness says, and got there without Standby. */
export interface MovedByItself {
  readonly component: Component
  readonly site: string
  readonly since: string | null
  /** A clause: what proves it. */
  readonly by: string
}

type Drivers = Readonly<Record<string, Driver>>

/** The components that have left the active site by themselves, each with the proof of it. Pure. */
export const movedByThemselves = (
  stack: Stack,
  { components }: Observation,
  activeSite: string | null,
  drivers: Drivers,
): MovedByItself[] =>
  activeSite === null
    ? []
    : stack.components.flatMap((component) => {
        const taken = takenOverBy(drivers[component.driver], component, components[component.name] ?? {})
        return taken === null || taken.site === activeSite ? [] : [{ component, ...taken }]
      })

/** Whether the roles of a component are explained by its own move between these two sites. */
export const isExplained = (moved: readonly MovedByItself[], component: string, site: string, activeSite: string) =>
  moved.some((one) => one.component.name === component && (site === one.site || site === activeSite))

/**
 * For `status` and for a plan: what has moved by itself, and what must follow it. A follow to that site mends it, and a
 * failover to it, which also promotes what has not moved. Every other move is refused until then. Pure.
 */
export function movedFindings(moved: readonly MovedByItself[], activeSite: string, intent: Intent | null): Finding[] {
  const findings = moved.map(({ component, site, since, by }): Finding => {
    const isFollowed = intent !== null && leavesLostSite(intent) && intent.to === site
    const at = since === null ? '' : ` since ${since}`
    return {
      code: 'moved-by-itself',
      severity: isFollowed ? 'info' : 'blocker',
      component: component.name,
      site,
      what: `the witness says that ${activeSite} is active, and ${component.name} takes its writes on ${site}${at}: ${by}`,
      ...(isFollowed ? {} : { next: `Have everything follow it: standby failover plan --mode follow --to ${site}` }),
    }
  })
  if (intent?.mode !== 'follow' || moved.some(({ site }) => site === intent.to)) return findings
  return [
    ...findings,
    {
      code: 'nothing-to-follow',
      severity: 'blocker',
      site: intent.to,
      what: `no component is seen to have moved from ${intent.from} to ${intent.to} by itself`,
      next: `Look at standby status. To move the data: standby failover plan --to ${intent.to}, or --mode failover where ${intent.from} is lost.`,
      unanswered: true,
    },
  ]
}

/**
 * A follow never promotes data: the components whose acknowledged writes its steps would promote are named, and refuse
 * it. What acknowledges no write, such as a cache, may be promoted. Pure.
 */
export function promotedByFollow(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Drivers,
  steps: readonly PlannedStep[],
): Finding[] {
  if (intent.mode !== 'follow') return []
  const lossOf = (component: Component): ComponentLoss | null => {
    const states = observation.components[component.name] ?? {}
    return componentLoss(drivers[component.driver], component, states, intent, observation.at)
  }
  return stack.components
    .filter((component) => isPromoted(steps, component.name) && lossOf(component)?.of === 'writes')
    .map(({ name, driver }) => ({
      code: 'follow-would-promote',
      severity: 'blocker',
      component: name,
      site: intent.to,
      what: `${name} (${driver}) has not moved to ${intent.to} by itself, and a follow promotes no data`,
      next: `Wait until it has moved, or plan a failover: standby failover plan --mode failover --to ${intent.to}`,
    }))
}
