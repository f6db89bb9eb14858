import { SILENCE, type Way } from '../clients/patience.ts'
import { measuredWay } from '../clients/round-trip.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import { addressesOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
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
  const addresses = component === undefined ? [] : addressesOf(drivers[component.driver], component, step.site)
  const site = context.stack.sites.find(({ name }) => name === step.site)
  const ofSite = site === undefined ? [] : platformsOf(site).flatMap((one) => one.reach(site, isolated).contact ?? [])
  return [...ofSite, ...addresses.map((address) => measuredWay(address, SILENCE))]
}
