import { setTimeout as sleep } from 'node:timers/promises'
import type { PreparedStack } from '../prepared-stack.ts'
import { type Around, type MoveInputs, PlanRefused, type ReviewedMove, reviewedMove } from '../reviewed-move.ts'

const PLANNED_WITHIN = 90_000

/**
 * A reviewed move that is planned again for a while when its plan is refused, or stale when it is executed. The others
 * notice some seconds later that a site is lost, one that has just come back answers some seconds later, and a computer
 * with other work does not answer every question in time.
 */
export async function patientMove(
  stack: PreparedStack,
  inputs: MoveInputs,
  around: Omit<Around, 'dieAt' | 'onDeath'>,
): Promise<ReviewedMove> {
  for (const end = Date.now() + PLANNED_WITHIN; ; await sleep(1_000))
    try {
      const move = await reviewedMove(stack, inputs, around)
      const { verdict, failure } = move.executed
      if (verdict !== 'refused' || failure?.code !== 'plan-stale' || Date.now() > end) return move
    } catch (error) {
      if (!(error instanceof PlanRefused) || Date.now() > end) throw error
    }
}
