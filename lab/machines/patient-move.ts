import { setTimeout as sleep } from 'node:timers/promises'
import type { PreparedStack } from '../prepared-stack.ts'
import { ExecutionRefused, type MoveInputs, PlanRefused, type ReviewedMove, reviewedMove } from '../reviewed-move.ts'

const PLANNED_WITHIN = 90_000

/**
 * A reviewed move that is planned again for a while when its plan is refused, or stale when it is executed. The others
 * notice some seconds later that a site is lost, one that has just come back answers some seconds later, and a computer
 * with other work does not answer every question in time.
 */
export async function patientMove(
  stack: PreparedStack,
  inputs: MoveInputs,
  around: { readonly githubUrl: string },
): Promise<ReviewedMove> {
  for (const end = Date.now() + PLANNED_WITHIN; ; await sleep(1_000))
    try {
      return await reviewedMove(stack, inputs, around)
    } catch (error) {
      if (!mayBePlannedAgain(error) || Date.now() > end) throw error
    }
}

const mayBePlannedAgain = (error: unknown): boolean =>
  error instanceof PlanRefused || (error instanceof ExecutionRefused && error.code === 'plan-stale')
