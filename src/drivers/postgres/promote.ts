import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, StepReference } from '../../driver/behaviour.ts'
import { orNull, parametersOf, TEXT } from '../../driver/parameters.ts'
import type { MeasuredLoss, Proof } from '../../driver/proofs.ts'
import { lastSeenVaries } from '../../systems/postgres/last-seen-varies.ts'
import { lossSinceFork } from '../../systems/postgres/measured-loss.ts'
import { forkFrom } from '../../systems/postgres/timeline-history.ts'
import { seconds } from '../../values/duration.ts'
import type { Replayed } from './catch-up.ts'
import { codes } from './codes.ts'
import type { Ended } from './demote.ts'
import { promoteServer } from './promote-server.ts'
import { type Begun, type DatabaseRun, look, siteNamed, siteOf, whyNotWritable } from './run.ts'
import { byHandPromote } from './runbook.ts'
import { type Database, type PostgresSpec, serverName, withinOf } from './spec.ts'

export type OfPromotion = {
  readonly server: string
  readonly peer: string
  /** Id of the step that saw where the replica stood. */
  readonly replayed: string
  /** Id of the step that ended the old primary; null: the plan has none. */
  readonly ended: string | null
  /** Of a failover: where the lost primary was last seen (LSN). */
  readonly lastSeenAt: string | null
}
export interface Promoted extends Proof {
  readonly writable: true
  /** The new one. */
  readonly timeline: number
  readonly systemId: string
  /** The timeline that was left. */
  readonly forkedFrom: number
  /** LSN; empty where it is not known. */
  readonly forkedAt: string
}

export const promoteStep = (
  component: Database,
  { from, to }: Intent,
  {
    replayed,
    ended,
    lastSeenAt,
  }: {
    readonly replayed: StepReference<Replayed>
    readonly ended: StepReference<Ended> | null
    readonly lastSeenAt: string | null
  },
): DriverStep<OfPromotion> =>
  planStep(promote, to, {
    phase: 'PROMOTE',
    needs: [replayed],
    irreversible: true,
    title: `Promotes ${serverName(component, to)}, and proves by a write that it takes writes on a timeline of its own`,
    deadline: withinOf(component),
    expected: seconds(5),
    parameters: {
      server: serverName(component, to),
      peer: from,
      replayed: replayed.id,
      ended: ended?.id ?? null,
      lastSeenAt,
    },
  })

type Run = DatabaseRun<OfPromotion, Begun>

const promotion: Plain<PostgresSpec, OfPromotion, Promoted, Begun> = {
  is: 'plain',
  async done(run) {
    const { server: name, replayed } = run.step.parameters
    const site = siteOf(run)
    const reference: StepReference<Replayed> = { id: replayed }
    const before = run.proofOf(reference)
    const looked = await look(run, site)
    if (looked.is === 'unknown') return { is: 'unknown', why: `${name} cannot be asked: ${looked.why}` }
    const { inRecovery, timeline, systemId, history } = looked.server
    if (before !== null && before.systemId !== systemId)
      return {
        is: 'failed',
        code: codes.code['another-database'],
        why: `${name} has the system id ${systemId}, and the one that was prepared had ${before.systemId}`,
        next: 'Something put another server in its place: find out which one holds your data.',
      }
    const left = before?.timeline ?? 0
    if (inRecovery) return { is: 'pending', waitingFor: `${name} to leave recovery` }
    if (timeline <= left)
      return { is: 'pending', waitingFor: `${name} to begin a timeline of its own: it is on ${timeline}` }
    const refused = await whyNotWritable(run, site)
    if (refused !== null) return { is: 'pending', waitingFor: `${name} to take a write: ${refused}` }
    const fork = history === null ? null : forkFrom(history, left)
    const forkedAt = fork?.at ?? before?.replayed ?? ''
    return {
      is: 'done',
      proof: {
        writable: true,
        timeline,
        systemId,
        forkedFrom: fork?.timeline ?? left,
        forkedAt,
        ...lossOf(run, forkedAt),
      },
    }
  },
  apply: (run) => promoteServer(run, siteOf(run), siteNamed(run, run.step.parameters.peer)),
  back: { is: 'irreversible' },
}

/** A switchover has lost nothing, as its own step proved before. */
function lossOf(run: Run, forkedAt: string): { readonly loss?: MeasuredLoss } {
  if (run.intent?.mode !== 'failover') return {}
  const { replayed, ended, lastSeenAt } = run.step.parameters
  const position: StepReference<Replayed> = { id: replayed }
  const ending: StepReference<Ended> = { id: ended ?? '' }
  const lastCommitAt = run.proofOf(position)?.lastCommitAt ?? null
  const fenced = ended === null ? null : run.proofOf(ending)
  const loss = lossSinceFork({
    forkedAt,
    fenced: fenced === null ? null : { endedAt: fenced.endedAt, state: fenced.by },
    lastSeenAt,
    lastCommitAt,
    closedAt: fenced?.fencedAt ?? run.begunAt,
  })
  return { loss: { of: 'writes', ...loss, lastCommitAt } }
}

export const promote: Action<PostgresSpec, OfPromotion, Promoted> = {
  name: 'promote',
  parameters: parametersOf<OfPromotion>({
    server: TEXT,
    peer: TEXT,
    replayed: TEXT,
    ended: orNull(TEXT),
    lastSeenAt: orNull(TEXT),
  }),
  varies: { lastSeenAt: lastSeenVaries },
  behaviour: promotion,
  byHand: byHandPromote,
}
