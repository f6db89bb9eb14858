import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { streamingUnit } from '../deploy/streaming.ts'
import { type DatabaseRun, siteOf } from '../run.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { clone } from './new-incarnation.ts'
import { placeOf } from './place-of-run.ts'

export type RefreshStreaming = {
  readonly cluster: string
  readonly activeSite: string
}

/**
 * A new cluster has a new certificate authority: the other sites are given its certificates, or they could not follow
 * it by streaming after the next move.
 */
export function refreshStreamingStep(
  component: Database,
  intent: Intent,
  site: SiteName = intent.from,
): DriverStep<RefreshStreaming> {
  const [cluster, passive] = [clusterOf(component, site), clusterOf(component, intent.to)]
  return planStep(refreshStreaming, site, {
    phase: 'PROTECT',
    needs: [stepOf(component, clone, intent.to)],
    title: `Copies the new streaming certificates of ${passive} to ${cluster}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { cluster, activeSite: intent.from },
  })
}

const behaviour: Plain<CloudNativePgSpec, RefreshStreaming, Proof> = {
  is: 'plain',
  async done(run) {
    const unit = unitOf(run)
    const differs = await unit.diff(run.signal)
    if (differs.length > 0) return { is: 'pending', waitingFor: differs.map(({ object }) => object).join(', ') }
    const ready = await unit.ready(run.signal)
    if (ready.is === 'done') return { is: 'done', proof: {} }
    // Certificates are there or are waited for: this unit never fails.
    return { is: 'pending', waitingFor: ready.is === 'pending' ? ready.waitingFor : ready.why }
  },
  apply: (run) => unitOf(run).apply(run.signal),
  back: { is: 'leaves-nothing', because: 'the copied certificates are those that the next deploy copies as well' },
}

/** The unit of a deploy that copies those certificates. */
const unitOf = (run: DatabaseRun<RefreshStreaming>) => streamingUnit(placeOf(run), [run.intent?.to ?? siteOf(run)])

export const refreshStreaming: Action<CloudNativePgSpec, RefreshStreaming> = {
  name: 'refresh-streaming',
  parameters: parametersOf<RefreshStreaming>({ cluster: TEXT, activeSite: TEXT }),
  behaviour,
  byHand: 'none',
}
