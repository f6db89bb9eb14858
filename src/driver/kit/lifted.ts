/**
 * Behaviours of the kit out of those of today's `Driver`: the engine reads the kit alone. Goes when every driver is
 * written against the kit.
 */
import type { PlannedStep } from '../../domain/plan.ts'
import type { Progress, RestsOn } from '../../domain/progress.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Behaviour, StepRun } from '../behaviour.ts'
import type { DriverContext } from '../context.ts'
import type { Driver } from '../driver.ts'
import type { EngineBehaviour, EngineRun, SeenByEngine } from './engine.ts'

/** What performs an action of a driver; undefined where it performs none of this name. */
export function behaviourOf(
  driver: Pick<Driver, 'behaviours'> | undefined,
  action: string,
): EngineBehaviour | undefined {
  const behaviour = driver?.behaviours[action]
  return behaviour === undefined ? undefined : liftedBehaviour(behaviour)
}

export function liftedBehaviour(old: Behaviour): EngineBehaviour {
  const common = {
    done: async (run: EngineRun) => asSeen(await old.done(loweredRun(run))),
    ...(old.changes === undefined
      ? {}
      : { changes: (run: EngineRun) => old.changes?.(loweredRun(run)) ?? noChanges() }),
    ...(old.reminder === undefined ? {} : { nudge: nudgeOf(old.reminder) }),
  }
  const { apply, undo, undone, touch, reminderBack } = old
  // What is due never reaches the engine of a behaviour without versions: it asks for it nowhere.
  if (apply === undefined) return { is: 'check', ...common } as EngineBehaviour
  const back =
    undo === undefined
      ? ({ is: 'irreversible' } as const)
      : {
          undo: (run: EngineRun, precondition?: JsonObject) => undo(loweredRun(run, precondition)),
          undone: async (run: EngineRun) => asSeen((await undone?.(loweredRun(run))) ?? { is: 'done', proof: {} }),
          ...(reminderBack === undefined ? {} : { nudge: nudgeOf(reminderBack) }),
        }
  if (touch === undefined)
    return { is: 'plain', ...common, apply: (run: EngineRun) => apply(loweredRun(run)), back } as EngineBehaviour
  return {
    is: 'versioned',
    ...common,
    apply: (run, precondition) => apply(loweredRun(run, precondition)),
    invalidate: (run) => touch(loweredRun(run)),
    back,
  }
}

const nudgeOf = ({ every, remind }: NonNullable<Behaviour['reminder']>) => ({
  every,
  send: (run: EngineRun) => remind(loweredRun(run)),
})

async function* noChanges(): AsyncIterable<unknown> {}

function loweredRun({ step, context, proofOf, memory: _, site: __, ...run }: EngineRun, restsOn?: RestsOn): StepRun {
  return {
    ...run,
    // The engine passes whole steps, and the context of today with what the kit adds.
    step: step as unknown as PlannedStep,
    context: context as unknown as DriverContext,
    proofOf: (id) => proofOf({ id }) as JsonObject | null,
    ...(restsOn === undefined ? {} : { restsOn }),
  }
}

function asSeen(progress: Progress): SeenByEngine {
  if (progress.is === 'done') return { is: 'done', proof: progress.proof as object }
  if (progress.is === 'failed') return progress as Extract<SeenByEngine, { readonly is: 'failed' }>
  if (progress.is === 'unknown') return progress
  const { restsOn: due, takenBackBy: revertedBy, waitingFor } = progress
  return {
    is: 'pending',
    waitingFor,
    ...(due === undefined ? {} : { due }),
    ...(revertedBy === undefined ? {} : { revertedBy }),
  }
}
