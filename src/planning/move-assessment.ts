import type { FenceLevel } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import type { Fencing, Finding, Intent, Loss, PlannedStep } from '../domain/plan.ts'
import type { ComponentName, Stack } from '../domain/stack.ts'
import type { SelfFencing } from '../driver/assessment.ts'
import type { Observation } from '../observation/observation.ts'

/**
 * Everything that planning decides about one move, each thing once. The steps (`move-steps.ts`), the findings
 * (`move-findings.ts`) and the predictions of a plan derive from this value.
 */
export interface MoveAssessment {
  readonly stack: Stack
  readonly observation: Observation
  readonly intent: Intent
  /** Of the site that the stack leaves, comes back to, or opens again. */
  readonly liveness: Liveness
  readonly fence: FenceAssessment
  /** Whether the lost site shuts itself; null outside of failovers, and where the stack has no guard. */
  readonly selfFencing: SelfFencing | null
  readonly planned: PlannedParts
  readonly loss: Loss
  /** Of the stack file, sites, witness and components. */
  readonly findings: readonly Finding[]
  /** Data that the steps of a follow would promote, which none may. */
  readonly wouldPromote: readonly Finding[]
  /** The other passive sites with which a failover would lose less. */
  readonly ahead: readonly Finding[]
}

/** What must be shut on the site that the stack leaves, and what the planned steps shut. */
export interface FenceAssessment extends Fencing {
  /** The planned levels without those of a step that the run may go on without. */
  readonly certain: readonly FenceLevel[]
  /** The components that the required level has to shut, and that the planned steps leave open. */
  readonly leftOpen: readonly ComponentName[]
}

/** The steps of a move apart from those of the witness: not ordered yet, `bestEffort` is set. */
export interface PlannedParts {
  /** On the lost site of a failover, where it still answers. */
  readonly fences: readonly PlannedStep[]
  /** What each component does for the mode of the move. */
  readonly main: readonly PlannedStep[]
  /** The wait for self-fencing, where the required level needs it; else empty. */
  readonly waits: readonly PlannedStep[]
  /** Of the passive sites that are neither end of the move. */
  readonly followers: readonly PlannedStep[]
}
