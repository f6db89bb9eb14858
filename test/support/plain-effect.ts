import type { Action } from '../../src/driver/action.ts'
import type { Seen, StepRun } from '../../src/driver/behaviour.ts'
import type { Proof } from '../../src/driver/proofs.ts'
import type { JsonObject } from '../../src/values/json.ts'

type Given = 'step' | 'component' | 'site' | 'context' | 'signal' | 'begunAt'

/** Applies a plain effect once, as the step of a backup does, and returns the look after it. */
export async function applyPlainly<Spec, Parameters extends JsonObject, P extends Proof>(
  { name, behaviour }: Action<Spec, Parameters, P>,
  given: Pick<StepRun<Spec, Parameters>, Given>,
): Promise<Seen<P, never>> {
  if (behaviour.is !== 'plain') throw new Error(`${name} is no plain effect`)
  const run: StepRun<Spec, Parameters, unknown> = {
    ...given,
    intent: null,
    memory: { value: undefined, set: () => undefined },
    applied: false,
    pastReturn: false,
    proofOf: () => null,
  }
  await behaviour.apply(run)
  return behaviour.done(run)
}
