import type { AnyReasonCode } from '../errors/reason-codes.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { AcceptedLoss } from './accepted-loss.ts'
import type { Fact } from './fact.ts'
import type { FenceLevel } from './fence-levels.ts'
import type { Liveness } from './liveness.ts'
import type { ComponentName, SiteName } from './stack.ts'

/**
 * The phases of a move, in order. Users do not notice PREPARE, which needs the lock. Up to PROMOTE a run may be
 * aborted; from there it only goes forward.
 */
export const PHASES = [
  'PREFLIGHT',
  'LOCK',
  'PREPARE',
  'DRAIN',
  'FENCE',
  'FINAL_SYNC',
  'PROMOTE',
  'RESTORE_AUX',
  'START',
  'SMOKE',
  'TRAFFIC',
  'GREEN',
  'PROTECT',
  'CLOSED',
] as const
export type Phase = (typeof PHASES)[number]

/**
 * switchover: planned, nothing lost. failover: `from` is lost. follow: the data has moved from `from` to `to` by
 * itself, and everything else follows it. rejoin: `to`, a former active site, becomes a passive one of `from`. reopen:
 * `to` is `from`, the active site, which its guard or a fence has shut: it serves again.
 */
export const MODES = ['switchover', 'failover', 'follow', 'rejoin', 'reopen'] as const
export type Mode = (typeof MODES)[number]

/** Whether another site becomes the active one: then there is a point of no return, and a fence before it. */
export const changesActiveSite = <I extends Pick<Intent, 'mode'>>(
  intent: I,
): intent is I & { readonly mode: 'switchover' | 'failover' | 'follow' } =>
  intent.mode === 'switchover' || leavesLostSite(intent)

/** Whether the site that the stack leaves may be lost: then the move rests on nothing of it. */
export const leavesLostSite = ({ mode }: Pick<Intent, 'mode'>): boolean => mode === 'failover' || mode === 'follow'

/**
 * A move as drivers know it: for them a follow is a failover whose promotion may be done already. What a follow may not
 * do beyond that, the core decides.
 */
export const asDriversKnow = (intent: Intent): Intent & { readonly mode: Exclude<Mode, 'follow'> } => {
  const { mode } = intent
  return { ...intent, mode: mode === 'follow' ? 'failover' : mode }
}

/** The site whose liveness matters: the one that the stack leaves, that comes back, or that is opened. */
export const siteInQuestion = ({ mode, from, to }: Intent): SiteName => (mode === 'rejoin' ? to : from)

/** The requested move. */
export interface Intent {
  readonly mode: Mode
  /** The active site, or the one that was. */
  readonly from: SiteName
  readonly to: SiteName
  /** What a person accepts to lose in a failover; a prediction that it does not cover refuses. */
  readonly acceptLoss?: AcceptedLoss
}

export type StepId = string

/** One step, as data: a plan can be stored, reviewed, hashed and continued by another process. */
export interface PlannedStep {
  /** `database.promote@dc-b`: component, action, site. Stable. */
  readonly id: StepId
  readonly component: ComponentName
  /** Which behaviour of the component's driver performs it. */
  readonly action: string
  readonly site: SiteName | null
  readonly phase: Phase
  /**
   * Steps of the same or an earlier phase that must be done first. Steps of earlier phases are always done first,
   * unless `mayBeginIn` says otherwise.
   */
  readonly needs: readonly StepId[]
  /**
   * An earlier phase from which on this step may run beside others; only for steps that do no harm when the move is
   * aborted.
   */
  readonly mayBeginIn?: Phase
  readonly irreversible: boolean
  /** The fence level that is reached when this step is done. */
  readonly fence?: FenceLevel
  /**
   * For optional steps: a fence beyond the required level, or a step of a third site. The step is tried for this long,
   * then the run goes on and says so.
   */
  readonly bestEffort?: Milliseconds
  /**
   * The fence is a wait and is not seen: the old site shuts itself within a known time, its application and its
   * database together.
   */
  readonly byTime?: true
  readonly deadline: Milliseconds
  /** What it usually takes: for the prediction and the live view. */
  readonly expected: Milliseconds
  /** One sentence for the reviewer: what it does and what it guarantees. */
  readonly title: string
  readonly parameters: JsonObject
}

export interface Finding {
  /** Stable, kebab-case. */
  readonly code: AnyReasonCode
  readonly severity: 'blocker' | 'warning' | 'info'
  readonly component?: ComponentName
  readonly site?: string
  readonly what: string
  readonly next?: string
  /**
   * The finding is about something that did not answer, and disappears when it answers: a second look comes before an
   * approval is used up. The maker of the finding sets it.
   */
  readonly unanswered?: true
}

/** What a reviewer approves: its digest covers all of it. */
export interface Plan {
  readonly schemaVersion: 1
  readonly id: string
  readonly stack: { readonly name: string; readonly digest: string }
  readonly tool: { readonly name: 'standby'; readonly version: string }
  readonly intent: Intent
  /** The epoch in which it was made; the move begins the next one. */
  readonly epoch: number
  readonly madeAt: string
  /**
   * Address of the GitHub run whose plan job made it: an approval of another run does not count. Absent when made from
   * a terminal.
   */
  readonly madeIn?: string
  readonly expiresAt: string
  /** Burnt at LOCK: a plan is executed once. */
  readonly nonce: string
  readonly facts: readonly NamedFact[]
  readonly findings: readonly Finding[]
  readonly steps: readonly PlannedStep[]
  readonly fencing: Fencing
  /** Whether the site that the stack leaves (a rejoin: comes back to) lives, and who says so. */
  readonly liveness: Liveness
  readonly predictions: Predictions
}

/** What must be shut before anything is promoted, and what the steps shut; both empty in a rejoin. */
export interface Fencing {
  readonly required: FenceLevel | null
  readonly planned: readonly FenceLevel[]
  /** The levels among them that no step sees shut: they hold by time alone. */
  readonly byTime?: readonly FenceLevel[]
}

/** A fact with the component and site it was seen at. */
export type NamedFact = Fact & { readonly component: ComponentName; readonly site: string }

export interface Predictions {
  readonly duration: Milliseconds
  /** From the first refused write to the first accepted one. */
  readonly writeGap: Milliseconds
  /** The source of the times above. They decide nothing: later runs do not make a plan stale. */
  readonly learned: LearnedFrom
  readonly loss: Loss
}

/**
 * The former runs behind the times of a plan: their number for the best known step, and how many steps have any.
 */
export interface LearnedFrom {
  readonly runs: number
  readonly steps: number
}

/** The loss of one component. A cache is named but not counted: it acknowledged no write. */
export interface ComponentLoss extends Loss {
  readonly of: 'writes' | 'cache'
}

/** What a switchover or a rejoin does with the data of one component. */
export interface KeptData {
  /** Whether a switchover brings all of it to the new site. */
  readonly carried: boolean
  /** A clause for the prediction: `the last write of pg-dc-a is replayed on pg-dc-b before that is promoted`. */
  readonly what: string
}

/** What may be lost, as intervals; an upper end of null is not known. */
export interface Loss {
  readonly bytes: readonly [number, number | null]
  readonly seconds: readonly [number, number | null]
  /**
   * Seconds: the likely maximum, under a condition that `why` names. Never above the interval. It is not a bound, and
   * is never what a person accepts.
   */
  readonly likely?: number
  /** Where the figures come from. */
  readonly why: string
}
