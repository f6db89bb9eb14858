import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Check, StepReference } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import type { Ended } from './demote.ts'
import { look, siteOf } from './run.ts'
import { byHandCatchUp } from './runbook.ts'
import { type Database, type PostgresSpec, serverName, withinOf } from './spec.ts'

export type OfCatchUp = {
  readonly server: string
  readonly primary: string
  /** Id of the step that ended the primary. */
  readonly ended: string
}
/** Where a replica stood just before its promotion. */
export interface Replayed extends Proof {
  readonly systemId: string
  readonly timeline: number
  /** LSN. */
  readonly replayed: string
  /** ISO 8601, of the newest commit that it has; null: not known. */
  readonly lastCommitAt: string | null
}

/** The proof that nothing is lost: one database, one timeline, and the last byte of the old primary replayed. */
export const catchUpStep = (
  component: Database,
  { from, to }: Intent,
  ended: StepReference<Ended>,
): DriverStep<OfCatchUp> =>
  planStep(catchUp, to, {
    phase: 'FINAL_SYNC',
    needs: [ended],
    title: `Waits until ${serverName(component, to)} has replayed all that ${serverName(component, from)} ever wrote`,
    deadline: withinOf(component),
    expected: seconds(2),
    parameters: { server: serverName(component, to), primary: serverName(component, from), ended: ended.id },
  })

const catchingUp: Check<PostgresSpec, OfCatchUp, Replayed> = {
  is: 'check',
  async done(run) {
    const { server: name, primary, ended } = run.step.parameters
    const reference: StepReference<Ended> = { id: ended }
    const end = run.proofOf(reference)
    const looked = await look(run, siteOf(run))
    if (looked.is === 'unknown') return { is: 'unknown', why: `${name} cannot be asked: ${looked.why}` }
    const { server } = looked
    const [replayed, last] = [parseLsn(server.replayLsn), parseLsn(end?.endedAt)]
    const failed = (code: keyof typeof codes.table, why: string, next: string) =>
      ({ is: 'failed', code: codes.code[code], why, next }) as const
    if (end === null || last === null)
      return failed(
        'end-unknown',
        `${primary} is shut, and nothing says where its WAL ends`,
        'Declare demote, or a fence whose answer says the position; or fail over, with an accepted loss.',
      )
    if (!server.inRecovery) return failed('not-a-replica', `${name} is a primary already`, 'Find out who promoted it.')
    if (end.systemId !== '' && server.systemId !== end.systemId)
      return failed(
        'another-database',
        `${name} has the system id ${server.systemId}, ${primary} has ${end.systemId}`,
        'Find out which of the two holds your data.',
      )
    if (end.timeline !== null && server.timeline > end.timeline)
      return failed(
        'history-forked',
        `${name} is on timeline ${server.timeline}, ahead of timeline ${end.timeline} of ${primary}`,
        'Find out which of the two holds your data.',
      )
    if (end.by === 'in recovery' && replayed !== null && replayed > last)
      return failed(
        'replica-beyond-end',
        `${name} has replayed up to ${server.replayLsn}, and ${primary} ends at ${end.endedAt}`,
        'Find out what wrote to it.',
      )
    if (replayed === null || replayed < last || (end.timeline !== null && server.timeline < end.timeline))
      return {
        is: 'pending',
        waitingFor: `${name} to replay up to ${end.endedAt}: it is at ${server.replayLsn ?? 'no position'}`,
      }
    const { systemId, timeline, lastCommitAt } = server
    return { is: 'done', proof: { systemId, timeline, replayed: server.replayLsn ?? '', lastCommitAt } }
  },
}

export const catchUp: Action<PostgresSpec, OfCatchUp, Replayed> = {
  name: 'catch-up',
  parameters: parametersOf<OfCatchUp>({ server: TEXT, primary: TEXT, ended: TEXT }),
  behaviour: catchingUp,
  byHand: byHandCatchUp,
}
