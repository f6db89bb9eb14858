import type { StepId } from '../domain/plan.ts'
import type { OnRecord, Verdict } from '../witness/journal.ts'
import type { GatedCourse } from './gates.ts'

/**
 * What a run does next, and what it knows afterwards. Pure: production, the tests and the model checker ask this very
 * code, and differ only in what carries out its commands.
 */
export interface Course extends GatedCourse {
  /** The step that takes the lock; null where no step of the course does: in a deploy and in a backup. */
  readonly lock: StepId | null
  /**
   * Whether the first failure cancels the steps that run beside it. Where it does not, as in a deploy, they end by
   * themselves. No new step begins after the first failure in any case.
   */
  readonly stopsOthers: boolean
}

/** How far one step is, as far as this process knows. */
export type StepState =
  /** Nothing of it is on record. */
  | 'todo'
  /** This process has put its intent on record, and tried nothing yet. */
  | 'intended'
  /** An earlier process has put its intent on record: its effect may have happened, or may still be on its way. */
  | 'unsure'
  /**
   * A fence without a record. It may be shut all the same, by an earlier process whose entries are gone: a run that
   * goes back looks.
   */
  | 'unwritten'
  /** The same of a fence that is on record as opened again. */
  | 'said-undone'
  /** Seen not to hold. */
  | 'missing'
  /** Lock and epoch were read again: its effect may be tried. */
  | 'cleared'
  /** Its effect was tried and is waited for. */
  | 'applied'
  /** Seen to hold; not on record yet. */
  | 'holds'
  /** As `holds`, and no process of this run had changed it. */
  | 'held'
  | 'done'
  | 'was-done'
  | 'failed'
  /**
   * A fence or a promotion that is on record, and was seen not to hold: others took it back, or it was never done. Not
   * on record yet.
   */
  | 'reopened'
  /** A fence that the run goes on without could not be shut, or not be seen; not on record yet. */
  | 'lacking'
  /** The run goes on without it. Its effect may have happened. */
  | 'given-up'
  /** Lock and epoch were read again: it may be taken back. */
  | 'cleared-back'
  /** Taken back; not on record yet. */
  | 'taken-back'
  | 'undone'
  /** Could not be taken back. */
  | 'stuck'

/** What earlier processes of a run wrote down. */
export interface OfEarlier {
  /** By step; the later entry counts. */
  readonly onRecord: ReadonlyMap<StepId, OnRecord>
  readonly turnedBack: boolean
  /** There was one: more may have been done than is on record. */
  readonly continued: boolean
}

/**
 * What this process has seen of a claim that is on record. `now`: it held a moment ago. `once`: it held, and more than
 * a moment has passed. `excused`: its site went silent after the point of no return, and a failover from a silent site
 * would not require it.
 */
export type Sight = 'now' | 'once' | 'excused'

export interface RunState {
  readonly direction: 'forward' | 'back'
  /** A step failed: no new step begins. */
  readonly failed: boolean
  /** Another process holds the lock, or a later epoch has begun: this process changes nothing more. */
  readonly lost: boolean
  readonly ended: boolean
  /**
   * An earlier process has asked for the lock: what is not on record may have been done all the same, if entries were
   * removed.
   */
  readonly continued: boolean
  readonly steps: Readonly<Record<StepId, StepState>>
  /** Absent: this process has not seen it, whatever is on record. */
  readonly seen: Readonly<Record<StepId, Sight>>
}

export type Command =
  | {
      readonly do:
        | 'record-intent'
        | 'observe'
        | 'assert-ours'
        | 'apply'
        | 'record-result'
        | 'record-given-up'
        | 'take-back'
        | 'record-undone'
        /** Look again whether a claim that is on record holds; read-only. */
        | 'revalidate'
        | 'record-reopened'
      readonly step: StepId
    }
  | { readonly do: 'turn-back' }
  | { readonly do: 'end'; readonly verdict: Verdict }

export type RunEvent =
  | {
      readonly is:
        | 'intent-recorded'
        | 'cleared'
        | 'applied'
        | 'result-recorded'
        | 'given-up-recorded'
        | 'taken-back'
        | 'undone-recorded'
      readonly step: StepId
    }
  /**
   * Of a fence that is not on record, `done` is as well what is under way; `pending` and `unknown`: there is nothing to
   * open.
   */
  | { readonly is: 'observed'; readonly step: StepId; readonly saw: 'done' | 'pending' | 'unknown' }
  /** A claim was looked at again; `unknown`: its site stayed silent. */
  | { readonly is: 'revalidated'; readonly step: StepId; readonly saw: 'done' | 'pending' | 'unknown' }
  | { readonly is: 'reopened-recorded'; readonly step: StepId }
  /** Earlier looks are old by now; `steps`: only the looks at these, because another look took long. */
  | { readonly is: 'faded'; readonly steps?: readonly StepId[] }
  /** Neither waiting nor another try helps. */
  | { readonly is: 'threw'; readonly step: StepId }
  /** The point of no return turned out to be passed. */
  | { readonly is: 'committed'; readonly step: StepId }
  | { readonly is: 'lost' }
  | { readonly is: 'turned-back' }
  | { readonly is: 'ended' }

/** The code with which the point of no return refuses to be taken back: it has happened. */
export const PAST = 'past-point-of-no-return'

/** Whether it is looked at only to find out whether it has to be taken back. */
export const isOffRecord = (state: StepState | undefined): boolean => state === 'unwritten' || state === 'said-undone'

export const isDone = (state: StepState | OnRecord | undefined): boolean => state === 'done' || state === 'was-done'

/** Nothing more is tried, and the next steps may begin. */
export const isOver = (state: StepState | OnRecord | undefined): boolean => isDone(state) || state === 'given-up'
