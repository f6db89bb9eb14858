import type { ObjectStoreLocation } from '../../../src/clients/object-store-client.ts'
import type { Claim, NamedPath, SpecProblem } from '../../../src/domain/declaration.ts'
import type { FenceLevel } from '../../../src/domain/fence-levels.ts'
import type { AccessRule, CredentialUse, Identity } from '../../../src/domain/identities.ts'
import type { LivenessSignal } from '../../../src/domain/liveness.ts'
import type { BySite, Gap, Observed } from '../../../src/domain/observed.ts'
import type { ComponentLoss, Finding, Intent, KeptData, PlannedStep } from '../../../src/domain/plan.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Assessment, LocationOf, SelfFencing } from '../../../src/driver/assessment.ts'
import type { CodeTable, DeclaredCodes } from '../../../src/driver/codes.ts'
import type { SqlRows } from '../../../src/driver/context.ts'
import type { Deployment, DeployUnit } from '../../../src/driver/deployment.ts'
import type { Manual, ManualSurroundings } from '../../../src/driver/manual.ts'
import type { RestoreTestReport } from '../../../src/driver/restore-test.ts'
import type { Varies, VaryingTitle } from '../../../src/driver/varying.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { Behaviour } from './behaviour.ts'
import type { FlatContext } from './context.ts'

/**
 * The code that knows one kind of component. The core asks for nothing else and imports no driver by name:
 * a system is added by one folder under `drivers/` and one line in `drivers/registry.ts`.
 */
export interface FlatDriver<Spec = JsonObject, State = unknown> {
  /** As in `driver:` of the stack file. */
  readonly kind: string
  /** Whether the component exists once per site, or once for the whole stack. */
  readonly scope: 'site' | 'stack'
  /** It stands outside of the platforms of its site, and can be seen when those are silent: an object store. */
  readonly outside?: true
  /** The platform of its site whose silence is its own; absent: the cluster. */
  readonly standsOn?: string
  /** JSON Schema (2020-12) of the component's mapping in the stack file, without `driver` and `needs`. */
  readonly schema: JsonObject
  /** The codes that only it uses, for docs/reason-codes.md; absent: they are in src/errors/reason-codes.ts. */
  readonly codes?: DeclaredCodes<CodeTable>

  /** What this component holds alone: two claims that meet are an error of the stack file. Pure. */
  claims(component: Component<Spec>, stack: Stack): Claim[]
  /**
   * Files of the user that the component reads, relative to the stack file; they are part of the stack's digest. Pure.
   */
  files?(component: Component<Spec>): readonly NamedPath[]
  /** What is wrong with the content of those files; offline, with reading them as its only effect. */
  fileProblems?(component: Component<Spec>, stack: Stack): Promise<SpecProblem[]>
  /**
   * What the schema cannot say: references to other components or sites that do not exist, and what those must have.
   * Pure.
   */
  validate?(component: Component<Spec>, stack: Stack, objectStore: LocationOf): SpecProblem[]
  /** Which identities read which of the credentials that the component declares. Pure; absent: it declares none. */
  credentials?(component: Component<Spec>, stack: Stack): CredentialUse[]
  /** The levels of a fence that its steps may shut, if all that they need is there. Pure. */
  reaches?(component: Component<Spec>, stack: Stack): readonly FenceLevel[]
  /** Identities that nobody uses in a stack without this kind of component: without one, their rules are left out. */
  readonly brings?: readonly Identity[]
  /** The rights that each identity needs, per site. Pure. */
  access(component: Component<Spec>, stack: Stack): AccessRule[]

  /** Read-only; answers within the context's deadline; a silent site is a value. */
  observe(component: Component<Spec>, site: SiteName | null, context: FlatContext): Promise<Observed<State>>
  /** Where it is asked outside of its site's platforms, as URLs, so that a slow way is not taken for silence. Pure. */
  addresses?(component: Component<Spec>, site: SiteName | null): readonly string[]
  /**
   * Blockers and warnings, for an intent (then `states` are those of its two ends, and of no site) or (null) for
   * `status`. Pure.
   */
  assess(component: Component<Spec>, states: BySite<State>, intent: Intent | null, assessment: Assessment): Finding[]

  /** How far each passive site is behind the active one. Pure. */
  gaps?(
    component: Component<Spec>,
    states: BySite<State>,
    activeSite: SiteName,
    now: string,
  ): Readonly<Record<string, Gap>>
  /** The declared state of one site in its role, as units that are compared, applied and waited for. */
  deploy?(
    component: Component<Spec>,
    site: SiteName | null,
    deployment: Deployment,
    context: FlatContext,
  ): Promise<DeployUnit[]>
  /**
   * This component's steps of a switchover or a failover. Pure. In a failover no step acts on the lost site or waits
   * for it, whatever of it still answers: what shuts it out there belongs into `fence`.
   */
  move?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /**
   * What a passive site that is neither end of a move does in PROTECT, if it can. Pure; no state is asked, for a third
   * site may come and go.
   */
  follow?(component: Component<Spec>, follower: SiteName, intent: Intent, stack: Stack): PlannedStep[]
  /**
   * Steps of a failover on a former active site whose API still answers: they make it impossible that it accepts a
   * write. Pure.
   */
  fence?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /**
   * Whether the lost site shuts itself once the witness names another one, and the step that waits until it must have.
   * Pure.
   */
  selfFencing?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): SelfFencing
  /** The steps that turn the former active site `intent.to` into a passive one of `intent.from`. Pure. */
  rejoin?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /**
   * The steps that open the active site `intent.to` again, after its guard or a fence has shut it: what others stand on
   * in RESTORE_AUX, what serves in START. Pure.
   */
  reopen?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /**
   * Whether this component, where it still answers, sees another site alive: one vantage point beside the runner's own.
   * Pure.
   */
  sees?(component: Component<Spec>, states: BySite<State>, site: SiteName): LivenessSignal[]
  /** What a failover would lose of this component; null where it holds nothing of its own. Pure. */
  loss?(component: Component<Spec>, states: BySite<State>, intent: Intent, now: string): ComponentLoss | null
  /** What becomes of this component's data in a switchover or a rejoin; null or absent: Standby knows of none. Pure. */
  keeps?(component: Component<Spec>, intent: Intent): KeptData | null
  /** Of a failover: the other passive sites that hold more of the lost one than `intent.to` does, as warnings. Pure. */
  ahead?(component: Component<Spec>, states: BySite<State>, intent: Intent): Finding[]
  /** The steps that take a backup now, with its manifest. Pure. */
  backup?(component: Component<Spec>, states: BySite<State>, site: SiteName, stack: Stack): PlannedStep[]
  /** What a person types in place of a planned step; null where no short way by hand exists. Pure; for runbooks. */
  manual?(component: Component<Spec>, step: PlannedStep, around: ManualSurroundings): Manual | null
  /**
   * Parameters of planned steps that follow what moves by nature, such as a number of replicas; by action, then by
   * parameter. When an approved plan is executed, every other parameter must be what a plan made anew says.
   */
  readonly varying?: Readonly<Record<string, Readonly<Record<string, Varies>>>>
  /** The titles that say such a parameter, by action. */
  readonly varyingTitles?: Readonly<Record<string, VaryingTitle<Spec>>>
  /** What performs the planned steps, by `action`. */
  readonly behaviours: Readonly<Record<string, Behaviour<Spec>>>

  /** Restores the newest backup of `source` into the sandbox and judges it; throws only what it cannot judge. */
  restoreTest?(
    component: Component<Spec>,
    source: SiteName,
    sandbox: Sandbox,
    context: FlatContext,
  ): Promise<RestoreTestReport>
  /**
   * Read-only SQL on a site's database, or on its restored copy, as rows of text; for checks of identity by components
   * that need it.
   */
  sql?(component: Component<Spec>, at: SiteName | Sandbox, query: string, context: FlatContext): Promise<SqlRows>
  /** Where an object-store component keeps its objects for a site. Pure. */
  objectStore?(component: Component<Spec>, site: SiteName): ObjectStoreLocation
}
