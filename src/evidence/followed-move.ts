import type { EvidenceBody } from './evidence-body.ts'
import type { FollowedMove } from './kept-loss.ts'
import { componentOfStep, lossIn, wasPromoted } from './measured-loss.ts'

/**
 * The newest move away from a site, in records that are given oldest first; null where none of them mentions one. The
 * records of the run itself do not count. A rejoin that ended well has already found what was lost before it. Pure.
 */
export function followedMove(
  bodies: readonly EvidenceBody[],
  of: { readonly run: string; readonly site: string },
): FollowedMove | null {
  const concerning = bodies.findLast(({ run, plan: { intent }, verdict, steps }) => {
    if (run === of.run || intent.mode === 'reopen') return false
    return intent.mode === 'rejoin'
      ? intent.to === of.site && verdict === 'moved'
      : intent.from === of.site && wasPromoted(steps)
  })
  if (concerning === undefined) return null
  const { run, plan, loss, steps } = concerning
  const { mode } = plan.intent
  if (mode === 'rejoin' || mode === 'reopen')
    return { is: 'unknown', why: `${of.site} has rejoined in run ${run}, and no move has left it since` }
  const predicted = lossIn(loss.predicted)
  if (predicted === null)
    return { is: 'unknown', why: `the record of run ${run} names no predicted loss that can be read` }
  return { is: 'known', run, mode, predicted, counted: lossIn(loss.counted), saved: savedBy(steps) }
}

/** A step that measures a loss names the last commit before the loss. */
function savedBy(steps: EvidenceBody['steps']): Record<string, string> {
  return Object.fromEntries(
    steps.flatMap(({ id, proof }) => {
      const { lastCommitAt } = (proof?.loss ?? {}) as { readonly lastCommitAt?: unknown }
      return typeof lastCommitAt === 'string' ? [[componentOfStep(id), lastCommitAt]] : []
    }),
  )
}
