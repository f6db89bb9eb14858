import type { Behaviour, FlatProgress, FlatRun } from './flat/behaviour.ts'

/**
 * One look, and the effect if one is due on what was seen: as a run does it, without the lock in between. Returns what
 * was seen.
 */
export async function applyAsSeen<Spec>(
  behaviour: Behaviour<Spec> | undefined,
  run: FlatRun<Spec>,
): Promise<FlatProgress> {
  if (behaviour === undefined) throw new Error(`no behaviour for ${run.step.id}`)
  const seen = await behaviour.done(run)
  if (seen.is === 'pending' && seen.due !== undefined) await behaviour.apply?.({ ...run, precondition: seen.due })
  return seen
}

/** The same for taking back. */
export async function undoAsSeen<Spec>(behaviour: Behaviour<Spec>, run: FlatRun<Spec>): Promise<FlatProgress> {
  const seen = (await behaviour.undone?.(run)) ?? { is: 'done', proof: {} }
  if (seen.is === 'pending' && seen.due !== undefined) await behaviour.undo?.({ ...run, precondition: seen.due })
  return seen
}
