import { SILENCE, type Way } from '../clients/patience.ts'
import { measuredWay } from '../clients/round-trip.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { DriverContext } from '../driver/context.ts'
import type { Driver } from '../driver/driver.ts'
import { platformsOf } from '../platform/registry.ts'
import { contextOfStep } from './isolate-lost-site.ts'

interface Around {
  readonly context: DriverContext
  readonly intent: Intent | null
  readonly drivers: Readonly<Record<string, Driver>>
}

/**
 * The ways to what a step asks, as far as this process has learned how long they are: that of its site, and those that
 * its driver names.
 */
export function waysTo(step: PlannedStep, { context, intent, drivers }: Around): readonly Way[] {
  const isolated = contextOfStep(context, intent, step)
  const component = context.stack.components.find(({ name }) => name === step.component)
  const addresses = component === undefined ? [] : (drivers[component.driver]?.addresses?.(component, step.site) ?? [])
  const site = context.stack.sites.find(({ name }) => name === step.site)
  const ofSite = site === undefined ? [] : platformsOf(site).flatMap((one) => one.reach(site, isolated).contact ?? [])
  return [...ofSite, ...addresses.map((address) => measuredWay(address, SILENCE))]
}
