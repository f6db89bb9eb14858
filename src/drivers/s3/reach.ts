import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { Component } from '../../domain/stack.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import { siteOf } from '../../driver/site-of-step.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { PROBE_RESULT, type S3Spec } from './spec.ts'

/** Known before anything is rebuilt: the site that comes back must have a place for its archive. */
export function reachStep(component: Component<S3Spec>, intent: Intent): PlannedStep {
  return {
    id: `${component.name}.reach@${intent.to}`,
    component: component.name,
    action: 'reach',
    site: intent.to,
    phase: 'PREFLIGHT',
    needs: [],
    irreversible: false,
    deadline: minutes(1),
    expected: seconds(0.2),
    title: `Asserts that the object store of ${intent.to} answers: its archive will be written there`,
    parameters: {},
  }
}

export const reach: Behaviour<S3Spec> = {
  async done(run): Promise<Progress> {
    const { component, context, signal, step } = run
    const { location, open } = context.objectStore(component.name, siteOf(run))
    try {
      // HEAD has no body, and a missing bucket looks like a missing object.
      const probe = await (await open('read')).get(PROBE_RESULT, { signal })
      return { is: 'done', proof: { bucket: location.bucket, probed: probe !== null } }
    } catch (error) {
      const reason = asStandbyError(error)
      if (reason.retry === 'never') throw reason
      return { is: 'pending', waitingFor: `the object store of ${step.site} (${reason.message})` }
    }
  },
}
