import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { orNull, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { MeasuredLoss } from '../../../driver/proofs.ts'
import { lastSeenVaries } from '../../../systems/postgres/last-seen-varies.ts'
import { lossSinceFork } from '../../../systems/postgres/measured-loss.ts'
import { formatLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { stateAt } from '../assess/findings-of-site.ts'
import { hostOf } from '../host.ts'
import { type Promoted, promotionSeen } from '../move/promote.ts'
import { type PatroniState, writerIn } from '../observe.ts'
import {
  type AsSeen,
  type DatabaseRun,
  direct,
  historyOfPrimary,
  invalidateConfig,
  oftenAsked,
  siteOf,
  wakeAgain,
} from '../run.ts'
import { askingAll, directing } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { type Fenced, fence } from './fence.ts'

/** The standby leader becomes the primary. What the lost one never sent is lost, and measured. Pure. */
export function failoverSteps(
  component: Database,
  states: StatesPerSite<PatroniState>,
  { from, to }: Intent,
): DriverStep[] {
  const lost = stateAt(states, from)
  const writer = lost === null ? null : writerIn(lost)
  return [
    planStep(promoteLost, to, {
      phase: 'PROMOTE',
      irreversible: true,
      title: `Makes ${clusterNamed(component, to)} follow no site: its standby leader becomes the primary on a new timeline, and what was lost is counted`,
      deadline: minutes(3),
      expected: seconds(1),
      parameters: {
        follows: from,
        fenced: stepOf(component, fence, from).id,
        lastSeenAt: writer === null ? null : formatLsn(BigInt(writer.writesAt)),
      },
    }),
  ]
}

type OfLostPromotion = {
  /** The lost site. */
  readonly follows: string
  /** Id of the step that fenced it; a plan need not have it. */
  readonly fenced: string
  /** Where its primary was last seen (LSN); null: it was silent. */
  readonly lastSeenAt: string | null
}
interface Forked extends Promoted {
  /** The timeline that was left. */
  readonly forkedFrom: number
  /** LSN */
  readonly forkedAt: string
  readonly loss: MeasuredLoss
}
type Run = DatabaseRun<OfLostPromotion>

export const promoteLost: Action<PatroniSpec, OfLostPromotion, Forked> = {
  name: 'promote-lost',
  parameters: parametersOf<OfLostPromotion>({ follows: TEXT, fenced: TEXT, lastSeenAt: orNull(TEXT) }),
  varies: { lastSeenAt: lastSeenVaries },
  behaviour: {
    is: 'versioned',
    async done(run: Run): Promise<Seen<Forked, AsSeen>> {
      const progress = await promotionSeen(run, run.step.parameters.follows, null)
      if (progress.is !== 'done') return progress
      const { timeline, primary } = progress.proof
      const last = (await historyOfPrimary(run, siteOf(run), progress.proof)).at(-1)
      if (last === undefined) return { is: 'pending', waitingFor: `${primary} to say where timeline ${timeline} began` }
      const forkedAt = last.at
      return {
        is: 'done',
        proof: {
          ...progress.proof,
          forkedFrom: last.timeline,
          forkedAt,
          loss: lossOf(run, forkedAt, await lastCommitAt(run, primary)),
        },
      }
    },
    apply: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, null),
    changes: oftenAsked,
    invalidate: (run: Run) => invalidateConfig(run, siteOf(run)),
    nudge: { every: seconds(2), send: (run: Run) => wakeAgain(run, siteOf(run)) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: [...directing(component, step.site, null), ...askingAll(component, step.site)],
      expect: 'One member has the role primary, xlog.location, and a timeline above the one before.',
      never: `Do this before ${step.parameters.follows} is shut out as the plan demands: it comes back as a primary by itself.`,
    }),
  },
}

/** What the failover has lost: exact where the lost primary was shut down in good order by a fence. */
function lossOf(run: Run, forkedAt: string, committedAt: string | null): MeasuredLoss {
  const { fenced, lastSeenAt } = run.step.parameters
  const fencing: StepReference<Fenced> = { id: fenced }
  const proof = run.proofOf(fencing)
  return {
    of: 'writes',
    ...lossSinceFork({
      forkedAt,
      fenced: proof === null ? null : { endedAt: proof.endedAt, state: proof.state },
      lastSeenAt,
      lastCommitAt: committedAt,
      closedAt: proof?.fencedAt ?? run.begunAt,
    }),
    lastCommitAt: committedAt,
  }
}

/** The last commit that was replayed: PostgreSQL keeps it after its promotion. Null where its host does not say. */
async function lastCommitAt(run: Run, primary: string): Promise<string | null> {
  try {
    const host = hostOf(run.component, siteOf(run), primary, run.context, run.signal)
    const [[at = ''] = []] = await host.sql('postgres', LAST_COMMIT, seconds(5))
    return at === '' ? null : at
  } catch {
    run.signal.throwIfAborted()
    return null
  }
}
const LAST_COMMIT = `SELECT to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');`
