import type { JsonObject } from '../values/json.ts'
import type { AnyBehaviour } from './action.ts'
import type { Back, NoWayBack, Seen, StepRun } from './behaviour.ts'
import type { Proof } from './proofs.ts'

/** What the engine calls: a behaviour whose specification, parameters and precondition only its driver knows. */
export type EngineBehaviour = AnyBehaviour<JsonObject, JsonObject, Proof>
export type EngineRun = StepRun<JsonObject, JsonObject, unknown>
export type SeenByEngine = Seen<Proof, JsonObject>

/** The way back of a behaviour; null where it has none. */
export function wayBackOf(behaviour: EngineBehaviour): Back<EngineRun, JsonObject> | null {
  if (behaviour.is === 'check') return null
  const back: Back<EngineRun, JsonObject> | Back<EngineRun, never> | NoWayBack = behaviour.back
  // A plain way back ignores the precondition that it never asks for.
  return 'undo' in back ? (back as Back<EngineRun, JsonObject>) : null
}
