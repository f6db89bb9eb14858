import { type Intent, PHASES, type PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'

/** The sites of a stack that are neither end of a move: each goes on as a passive one. Pure. */
export const followersOf = (stack: Stack, { from, to }: Intent): Stack['sites'] =>
  stack.sites.filter(({ name }) => name !== from && name !== to)

/**
 * What the other passive sites do once the move has ended for its users. Nothing that such a site says decides about
 * these steps, and the move does without each that its site can not do: a third site may come and go. Pure.
 */
export function followerSteps(stack: Stack, intent: Intent, drivers: Readonly<Record<string, Driver>>): PlannedStep[] {
  // Whom a reopened site was followed by, it still is.
  if (intent.mode === 'reopen') return []
  return followersOf(stack, intent).flatMap(({ name }) =>
    stack.components.flatMap((component) => drivers[component.driver]?.follow?.(component, name, intent, stack) ?? []),
  )
}

/** Whether a step is one of a site that is neither end of the move. Pure. */
export const isOfFollower = ({ site }: PlannedStep, { from, to }: Intent): boolean =>
  site !== null && site !== from && site !== to

/** What no step of a follower may be: part of what the move rests on. Pure. */
export const followerProblems = (steps: readonly PlannedStep[], stack: Stack, intent: Intent): string[] =>
  steps.flatMap((step) => {
    const early = PHASES.indexOf(step.phase) < PHASES.indexOf('PROTECT') || step.mayBeginIn !== undefined
    return [
      ...(early ? [`${step.id} of a third site begins before PROTECT`] : []),
      ...(step.irreversible || step.fence !== undefined
        ? [`${step.id} of a third site is one that the move rests on`]
        : []),
      ...(followersOf(stack, intent).some(({ name }) => name === step.site)
        ? []
        : [`${step.id} acts on no third site`]),
    ]
  })
