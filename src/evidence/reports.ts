import type { Approval } from '../domain/approval.ts'
import type { Gap } from '../domain/observed.ts'
import type { Finding, Mode, Plan } from '../domain/plan.ts'
import type { Check, Verdict } from '../domain/restore-test.ts'
import type { ComponentName } from '../domain/stack.ts'
import type { Change } from '../driver/deployment.ts'
import type { Failure } from '../errors/standby-error.ts'
import type { StepReport } from '../execution/step-report.ts'
import type { Observation } from '../observation/observation.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { Deviation } from './deviations.ts'
import type { Losses } from './kept-loss.ts'
import type { MoveTimes } from './move-times.ts'
import type { MoveVerdict, Operation } from './operation.ts'
import type { ReachedFence } from './reached-fence.ts'
import type { PhaseTimes } from './step-times.ts'

/**
 * The values that operations return, for outputs, summaries and exit codes; without any text that only a terminal
 * understands.
 */

export interface StatusReport {
  readonly schemaVersion: 1
  readonly stack: string
  readonly at: string
  readonly epoch: number | null
  readonly activeSite: string | null
  readonly sites: readonly SiteStatus[]
  /** Components that belong to no single site, such as a global load balancer. */
  readonly everywhere: readonly ComponentStatus[]
  readonly findings: readonly Finding[]
  /** green: no warning and no blocker. */
  readonly verdict: 'green' | 'degraded' | 'broken'
  readonly observation: Observation
}
export interface SiteStatus {
  readonly name: string
  readonly role: 'active' | 'passive' | 'unknown'
  readonly reachable: boolean
  /** Why it is silent, or how long it took to answer. */
  readonly text: string
  readonly components: readonly ComponentStatus[]
  /** The last test of this site's backups, with any verdict. */
  readonly lastRestoreTest: RestoreTestRecord | null
  /** The newest test with the verdict `restorable`; null where none of the newest has it. */
  readonly lastGreenRestoreTest: RestoreTestRecord | null
}
export interface ComponentStatus {
  readonly name: ComponentName
  readonly driver: string
  readonly role: 'active' | 'passive' | 'split' | 'unknown'
  readonly health: 'healthy' | 'degraded' | 'down' | 'absent' | 'silent'
  readonly text: string
  readonly gap: Gap | null
  readonly lastBackup: string | null
}
export interface RestoreTestRecord {
  readonly at: string
  readonly verdict: Verdict
  readonly provenRpo: Milliseconds | null
  readonly provenRto: Milliseconds | null
}

export interface DeployReport {
  readonly schemaVersion: 1
  readonly stack: string
  readonly dryRun: boolean
  readonly verdict: 'unchanged' | 'changed' | 'would-change' | 'failed'
  readonly units: readonly DeployedUnit[]
  readonly findings: readonly Finding[]
  readonly duration: Milliseconds
  readonly failure: Failure | null
}
export interface DeployedUnit {
  readonly id: string
  readonly title: string
  readonly site: string | null
  readonly outcome: 'unchanged' | 'applied' | 'would-change' | 'failed' | 'not-reached'
  readonly changes: readonly Change[]
  readonly duration: Milliseconds
}

export interface PlanReport {
  readonly schemaVersion: 1
  readonly plan: Plan
  /** SHA-256, 64 hex digits, of the plan's canonical JSON: what a reviewer approves. */
  readonly digest: string
  readonly status: StatusReport
  /** False when a finding blocks the move. */
  readonly executable: boolean
}

export interface MoveReport {
  readonly schemaVersion: 1
  readonly stack: string
  /** The id of the run, by which its journal and evidence are found in the witness. */
  readonly run: string
  readonly mode: Mode
  readonly from: string
  readonly to: string
  readonly planId: string
  readonly digest: string
  readonly epoch: { readonly before: number; readonly after: number }
  readonly verdict: MoveVerdict
  readonly phases: readonly PhaseTimes[]
  readonly steps: readonly StepReport[]
  readonly failure: Failure | null
  /** From the start of this process to its end. */
  readonly duration: Milliseconds
  /** How many processes worked on the run so far, this one included. Absent where that is not known. */
  readonly processes?: number
  /**
   * From the first closed door to the opened traffic, by the steps of all processes; for a run that was taken back,
   * until the doors were open again. The gap that a client sees is measured outside.
   */
  readonly writeGap: Milliseconds | null
  /** Key of the evidence record in the witness; null when it could not be written. */
  readonly evidence: string | null
  /**
   * SHA-256 of the chain's newest link: kept elsewhere, it reveals a rewritten past. Absent when the record could not
   * be written.
   */
  readonly evidenceHead?: string
  /** The operation that this process was asked for. */
  readonly operation?: Operation
  readonly asked?: { readonly by: string; readonly reason: string | null }
  readonly approved?: Pick<Approval, 'kind' | 'approvers'>
  /** The differences between the plan and the run, including fences that were given up. */
  readonly deviations?: readonly Deviation[]
  /** The fence level that was required, and the levels that are proven. */
  readonly fence?: ReachedFence
  readonly loss?: Losses
  readonly rto?: MoveTimes
}

export interface BackupReport {
  readonly schemaVersion: 1
  readonly stack: string
  readonly site: string
  readonly steps: readonly StepReport[]
  readonly failure: Failure | null
  readonly duration: Milliseconds
}

export interface RestoreTestOutcome {
  readonly schemaVersion: 1
  readonly stack: string
  readonly id: string
  readonly source: string
  readonly sandbox: { readonly site: string; readonly namespace: string; readonly removed: boolean }
  readonly verdict: Verdict
  readonly checks: readonly Check[]
  readonly components: readonly {
    readonly component: ComponentName
    readonly backup: { readonly id: string; readonly takenAt: string; readonly bytes: number | null } | null
    readonly restoreDuration: Milliseconds | null
  }[]
  /** Age of the restored data at the start of the test. */
  readonly provenRpo: Milliseconds | null
  /** From the first restore to the last check. */
  readonly provenRto: Milliseconds | null
  readonly failure: Failure | null
  readonly duration: Milliseconds
}

/** What a stack file shows without asking any site. */
export interface CheckReport {
  readonly schemaVersion: 1
  readonly verdict: 'sound' | 'invalid'
  readonly file: string
  /** Null when the file is not sound; then none of its content is used. */
  readonly stack: string | null
  readonly sites: readonly string[]
  readonly components: readonly { readonly name: string; readonly driver: string }[]
  /** What works, but its owner should know. */
  readonly warnings: readonly { readonly path: string; readonly what: string; readonly line: number | null }[]
  readonly problems: readonly {
    /** `components.database.sites.dc-a.name`; empty for the whole file. */
    readonly path: string
    readonly what: string
    /** 1-based; null where no place in the text can be named. */
    readonly line: number | null
    readonly column: number | null
    readonly suggestion: string | null
  }[]
}
