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
   * A fence of which nothing is on record. It may be shut all the same, by an earlier process whose entries are gone:
   * whoever goes back looks.
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
  /** As `holds`, and nobody of this run had touched it. */
  | 'held'
  | 'done'
  | 'was-done'
  | 'failed'
  /**
   * A fence or a promotion that is on record, and was seen not to hold: somebody took it back, or it never was done.
   * Not on record yet.
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

/** What a process finds of a run: what the earlier ones wrote down. */
export interface OfEarlier {
  /** By step; the later entry counts. */
  readonly onRecord: ReadonlyMap<StepId, OnRecord>
  readonly turnedBack: boolean
  /** There was one, so that what is on record may be less than what was done. */
  readonly continued: boolean
}

/**
 * What this very process has seen of a claim that is on record. `now`: it holds, a moment ago. `once`: it held, and a
 * moment has passed since. `excused`: its site went silent beyond the point of no return, and a failover from a silent
 * site would not demand it.
 */
export type Sight = 'now' | 'once' | 'excused'

export interface RunState {
  readonly direction: 'forward' | 'back'
  /** Something went wrong: nothing new begins. */
  readonly failed: boolean
  /** Somebody else holds the lock, or a later epoch has begun: this process touches nothing any more. */
  readonly lost: boolean
  readonly ended: boolean
  /**
   * An earlier process has asked for the lock: what is not on record may have been done all the same, where somebody
   * has removed entries.
   */
  readonly continued: boolean
  readonly steps: Readonly<Record<StepId, StepState>>
  /** Absent: this process has seen nothing of it, whatever is on record. */
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
  /** What was seen a moment ago is old by now; `steps`: only what was seen of these, because another look took long. */
  | { readonly is: 'faded'; readonly steps?: readonly StepId[] }
  /** Waiting or trying again does not help. */
  | { readonly is: 'threw'; readonly step: StepId }
  /** The point of no return turned out to be behind us. */
  | { readonly is: 'committed'; readonly step: StepId }
  | { readonly is: 'lost' }
  | { readonly is: 'turned-back' }
  | { readonly is: 'ended' }

/** The code with which the point of no return refuses to be taken back: it has happened. */
export const PAST = 'past-point-of-no-return'

/** Whether it is looked at only to find out whether there is anything to take back. */
export const isOffRecord = (state: StepState | undefined): boolean => state === 'unwritten' || state === 'said-undone'

export const isDone = (state: StepState | OnRecord | undefined): boolean => state === 'done' || state === 'was-done'

/** Nothing more is tried, and what comes after it may begin. */
export const isOver = (state: StepState | OnRecord | undefined): boolean => isDone(state) || state === 'given-up'
