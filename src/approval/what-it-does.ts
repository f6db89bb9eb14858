import type { Plan } from '../domain/plan.ts'
import { sequenceOf } from '../planning/order-steps.ts'

/**
 * What a signer should see of a plan first, one line each, in the plan's order: the steps that shut the old site out,
 * and those that cannot be taken back. Pure.
 */
export function whatItDoes({ steps, fencing }: Plan): string[] {
  const shown = sequenceOf(steps).filter(({ fence, irreversible }) => fence !== undefined || irreversible)
  const level = fencing.required === null ? 'no fence is required' : `the fence must reach ${fencing.required}`
  return [
    `${steps.length} steps; ${level}`,
    ...shown.map(({ id, phase, fence, bestEffort, title }) => {
      const shut = bestEffort === undefined ? `shuts ${fence}` : `shuts ${fence}, if it can`
      const kind = fence === undefined ? 'no way back' : shut
      return `${phase} ${id} (${kind}): ${title}`
    }),
  ]
}
