import { SILENCE, type Way } from '../clients/patience.ts'
import { measuredWay } from '../clients/round-trip.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { DriverContext } from '../driver/context.ts'
import type { Driver } from '../driver/driver.ts'
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
  const component = context.stack.components.find(({ name }) => name === step.component)
  const addresses = component === undefined ? [] : (drivers[component.driver]?.addresses?.(component, step.site) ?? [])
  const ofSite = step.site === null ? undefined : contextOfStep(context, intent, step).kubernetes(step.site).contact
  return [...(ofSite === undefined ? [] : [ofSite]), ...addresses.map((address) => measuredWay(address, SILENCE))]
}
