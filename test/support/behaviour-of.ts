import type { PlannedStep } from '../../src/domain/plan.ts'
import type { Component } from '../../src/domain/stack.ts'
import { type DriverStep, idOfStep } from '../../src/driver/action.ts'
import type { Behaviour } from './flat/behaviour.ts'
import type { FlatDriver } from './flat/driver.ts'

/** What performs the steps of one action of a driver. */
export function behaviourOf<Spec>(
  driver: Pick<FlatDriver<Spec>, 'kind' | 'behaviours'>,
  action: string,
): Behaviour<Spec> {
  const behaviour = driver.behaviours[action]
  if (behaviour === undefined) throw new Error(`the driver ${driver.kind} performs no ${action}`)
  return behaviour
}

/** A step of a driver as the core puts it into a plan. */
export const asPlanned = (component: Pick<Component, 'name'>, { needs, about, ...step }: DriverStep): PlannedStep => ({
  id: idOfStep(component, { ...step, about }),
  component: component.name,
  ...step,
  needs: needs.map(({ id }) => id),
})
