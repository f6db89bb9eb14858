import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Check } from '../../driver/behaviour.ts'
import { parametersOf } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { byHand } from './runbook.ts'
import { PROBE_RESULT, type S3Spec } from './spec.ts'

/** The step acts at its site, and has no parameters. */
export type Reach = Record<never, never>
interface Reached extends Proof {
  readonly bucket: string
  /** Whether a deploy has probed the bucket. */
  readonly probed: boolean
}

/** Checked before anything is rebuilt: the site that comes back must have a place for its archive. */
export const reachStep = ({ to }: Intent): DriverStep =>
  planStep(reach, to, {
    phase: 'PREFLIGHT',
    deadline: minutes(1),
    expected: seconds(0.2),
    title: `Asserts that the object store of ${to} answers: its archive will be written there`,
    parameters: {},
  })

const behaviour: Check<S3Spec, Reach, Reached> = {
  is: 'check',
  async done({ component, context, signal, site }) {
    if (site === null) throw new Error(`${component.name}: a bucket is reached at a site`)
    const { location, open } = context.objectStore(component.name, site)
    try {
      // HEAD has no body, and a missing bucket looks like a missing object.
      const probe = await (await open('read')).get(PROBE_RESULT, { signal })
      return { is: 'done', proof: { bucket: location.bucket, probed: probe !== null } }
    } catch (error) {
      const reason = asStandbyError(error)
      if (reason.retry === 'never') throw reason
      return { is: 'pending', waitingFor: `the object store of ${site} (${reason.message})` }
    }
  },
}

export const reach: Action<S3Spec, Reach, Reached> = {
  name: 'reach',
  parameters: parametersOf<Reach>({}),
  behaviour,
  byHand,
}
