import type { Behaviour } from '../../src/driver/behaviour.ts'
import type { Driver } from '../../src/driver/driver.ts'

/** What performs the steps of one action of a driver. */
export function behaviourOf<Spec>(driver: Pick<Driver<Spec>, 'kind' | 'behaviours'>, action: string): Behaviour<Spec> {
  const behaviour = driver.behaviours[action]
  if (behaviour === undefined) throw new Error(`the driver ${driver.kind} performs no ${action}`)
  return behaviour
}
