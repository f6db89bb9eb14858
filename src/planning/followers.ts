import { type Intent, PHASES, type PlannedStep } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { followStepsOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'

/** The sites of a stack that are neither end of a move: each goes on as a passive one. Pure. */
export const followersOf = (stack: Stack, { from, to }: Intent): Stack['sites'] =>
  stack.sites.filter(({ name }) => name !== from && name !== to)

/**
 * What the other passive sites do after the move has ended for its users. These steps depend on nothing that such a
 * site says, and the move goes on without each that its site cannot do: a third site may come and go. Pure.
 */
export function followerSteps(stack: Stack, intent: Intent, drivers: Readonly<Record<string, Driver>>): PlannedStep[] {
  // A reopened site keeps its followers.
  if (intent.mode === 'reopen') return []
  return followersOf(stack, intent).flatMap(({ name }) =>
    stack.components.flatMap((component) => followStepsOf(drivers[component.driver], component, name, intent, stack)),
  )
}

/** Whether a step is one of a site that is neither end of the move. Pure. */
export const isOfFollower = ({ site }: PlannedStep, { from, to }: Intent): boolean =>
  site !== null && site !== from && site !== to

/** The steps of followers that the move would depend on: no step of a follower may be one. Pure. */
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
