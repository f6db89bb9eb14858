import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import type { Reach } from '../../driver/reach.ts'
import { seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { type Begun, look, perform, siteOf, whyNotWritable } from './run.ts'
import { byHandOpen } from './runbook.ts'
import { type Database, type PostgresSpec, serverName, withinOf } from './spec.ts'

export type OfOpening = { readonly server: string }
interface Opened extends Proof {
  readonly writable: true
  readonly timeline: number
}

/** The active site serves again: its own fence is taken away. */
export const openStep = (component: Database, { from }: Intent): DriverStep<OfOpening> =>
  planStep(open, from, {
    phase: 'START',
    irreversible: true,
    title: `Opens ${serverName(component, from)} as declared, and proves by a write that it takes writes`,
    deadline: withinOf(component),
    expected: seconds(10),
    parameters: { server: serverName(component, from) },
  })

const opening: Plain<PostgresSpec, OfOpening, Opened, Begun> = {
  is: 'plain',
  async done(run) {
    const { server: name } = run.step.parameters
    const looked = await look(run, siteOf(run))
    if (looked.is === 'unknown') return { is: 'pending', waitingFor: `${name} to answer: ${looked.why}` }
    if (looked.server.inRecovery)
      return {
        is: 'failed',
        code: codes.code['no-primary-there'],
        why: `${name} is in recovery: to open it makes no primary of it`,
        next: 'Find out who demoted it, or finish the move that was begun.',
      }
    // A fence that lets Standby in looks like this as well: only the call takes it away.
    if (!run.applied && run.component.spec.fence?.keepsStandbyIn === true)
      return { is: 'pending', waitingFor: `the fence of ${name} to be taken away` }
    const refused = await whyNotWritable(run, siteOf(run))
    return refused === null
      ? { is: 'done', proof: { writable: true, timeline: looked.server.timeline } }
      : { is: 'pending', waitingFor: `${name} to take a write: ${refused}` }
  },
  async apply(run) {
    const { fence } = run.component.spec
    if (fence === undefined) throw new Error(`${run.step.id}: no fence is declared`)
    const site = siteOf(run)
    const reach: Reach = fence.through === 'outside-sites' ? 'outside-sites' : { site }
    await perform(run, { name: 'fence.open', declared: fence.open }, site, { peer: site, reach })
  },
  back: { is: 'irreversible' },
}

export const open: Action<PostgresSpec, OfOpening, Opened> = {
  name: 'open',
  parameters: parametersOf<OfOpening>({ server: TEXT }),
  behaviour: opening,
  byHand: byHandOpen,
}
