import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { Claim, NamedPath, SpecProblem } from '../domain/declaration.ts'
import type { FenceLevel } from '../domain/fence-levels.ts'
import type { AccessRule, CredentialUse, Identity } from '../domain/identities.ts'
import type { LivenessSignal } from '../domain/liveness.ts'
import type { Gap, Observed, TakenOver } from '../domain/observed.ts'
import type { ComponentLoss, Finding, Intent, KeptData, Mode } from '../domain/plan.ts'
import type { Sandbox } from '../domain/restore-test.ts'
import type { Component, ComponentName, SiteName, Stack } from '../domain/stack.ts'
import type { JsonObject } from '../values/json.ts'
import type { AnyAction, DriverStep } from './action.ts'
import type { Assessment, LocationOf, SelfFencing } from './assessment.ts'
import type { CodeTable, DeclaredCodes } from './codes.ts'
import type { DriverContext } from './context.ts'
import type { Deployment, DeployUnit } from './deployment.ts'
import type { GuardedUnits } from './guarded-units.ts'
import type { RestoreTestReport } from './restore-test.ts'

/** Offline: what the stack file declares for this kind. All of it is pure but `fileProblems`. Every driver has it. */
export interface Declares<Spec> {
  /** JSON Schema (2020-12) of the component's mapping; the type `Spec` is derived from it (`FromSchema`). */
  readonly schema: JsonObject
  readonly codes: DeclaredCodes<CodeTable>
  claims(component: Component<Spec>, stack: Stack): Claim[]
  files?(component: Component<Spec>): readonly NamedPath[]
  fileProblems?(component: Component<Spec>, stack: Stack): Promise<SpecProblem[]>
  validate?(component: Component<Spec>, stack: Stack, objectStore: LocationOf): SpecProblem[]
  credentials?(component: Component<Spec>, stack: Stack): CredentialUse[]
  readonly brings?: readonly Identity[]
  /** The rights that each identity needs: checked by the conformance suite against a real server with exactly these. */
  access(component: Component<Spec>, stack: Stack): AccessRule[]
}

/**
 * Site-scoped: one state per site. Stack-scoped: one state. The two never mix, so no driver meets the key EVERYWHERE.
 */
export type StatesPerSite<State> = Readonly<Record<string, Observed<State>>>

export interface ObservesSites<Spec, State> {
  observe(component: Component<Spec>, site: SiteName, context: DriverContext): Promise<Observed<State>>
  /**
   * The platform whose silence is this component's: `null`, it stands outside of the sites' platforms (an object
   * store).
   */
  readonly standsOn: string | null
  /** The platform that one component declares for itself; absent: `standsOn`. Pure. */
  platformOf?(component: Component<Spec>): string
  addresses?(component: Component<Spec>, site: SiteName): readonly string[]
}
export interface ObservesOnce<Spec, State> {
  observe(component: Component<Spec>, context: DriverContext): Promise<Observed<State>>
  addresses?(component: Component<Spec>): readonly string[]
}

/** One function per question. All are pure. */
export interface Assesses<Spec, States> {
  /** For status: what is wrong with the stack as it stands. */
  status(component: Component<Spec>, states: States, around: Assessment): Finding[]
  /** For a move of this mode; a mode that is absent asks as `status` does. */
  readonly moves?: {
    readonly [M in Exclude<Mode, 'follow'>]?: (
      component: Component<Spec>,
      states: States,
      intent: Intent,
      around: Assessment,
    ) => Finding[]
  }
  gaps?(component: Component<Spec>, states: States, activeSite: SiteName, now: string): Readonly<Record<string, Gap>>
}

export interface Deploys<Spec, Place> {
  deploy(
    component: Component<Spec>,
    place: Place,
    deployment: Deployment,
    context: DriverContext,
  ): Promise<DeployUnit[]>
}

/**
 * Steps by mode. A mode that is absent needs nothing of this component. A follow is asked for as the failover that it
 * completes. Pure.
 */
export interface Moves<Spec, States> {
  readonly switchover?: Plans<Spec, States>
  readonly failover?: Plans<Spec, States>
  readonly rejoin?: Plans<Spec, States>
  readonly reopen?: Plans<Spec, States>
  /** PROTECT of a passive site that is neither end of the move: no state is given. */
  follow?(component: Component<Spec>, follower: SiteName, intent: Intent, stack: Stack): DriverStep[]
  /** What becomes of its data in a switchover or a rejoin. */
  keeps?(component: Component<Spec>, intent: Intent): KeptData | null
}
export type Plans<Spec, States> = (
  component: Component<Spec>,
  states: States,
  intent: Intent,
  stack: Stack,
) => DriverStep[]

export interface Fences<Spec, States> {
  readonly levels: (component: Component<Spec>, stack: Stack) => readonly FenceLevel[]
  /** Steps on a former active site whose platform still answers for this component. */
  steps: Plans<Spec, States>
}

/** The lost site shuts itself once the witness names another one. */
export interface SelfFences<Spec, States> {
  /** What the site shuts by itself, if all that this needs is there. */
  readonly levels: (component: Component<Spec>, stack: Stack) => readonly FenceLevel[]
  selfFencing(component: Component<Spec>, states: States, intent: Intent, stack: Stack): SelfFencing<DriverStep>
  /**
   * What it closes the components on its platform by: their fences (the default), or their units on each machine.
   */
  closesBy?(component: Component<Spec>): 'fences' | 'units'
}

/** Its data may move to another site without Standby, as by the failover of a cluster over all sites. */
export interface MovesByItself<Spec, States> {
  /**
   * Where its writes are, if they may move by themselves and this is proven now: by a lock that one site alone can
   * hold. Null: they move by a plan only, or it is not proven. Pure.
   */
  takenOver(component: Component<Spec>, states: States): TakenOver | null
}

export interface SeesLiveness<Spec, States> {
  signals(component: Component<Spec>, states: States, site: SiteName): LivenessSignal[]
}

export interface PredictsLoss<Spec, States> {
  loss(component: Component<Spec>, states: States, intent: Intent, now: string): ComponentLoss | null
  /** The other passive sites that hold more, as warnings. */
  ahead?(component: Component<Spec>, states: States, intent: Intent): Finding[]
}

/**
 * Where a restore test restores a component: the sandbox of this platform, or of any one; `nowhere`: its backups are
 * not tested.
 */
export type RestoresIn = { readonly platform: string } | 'any-sandbox' | 'nowhere'

/** A restored copy that a restore test reads, and where the declaration of its reader names it. */
export interface CopyRead {
  readonly of: ComponentName
  readonly path: readonly string[]
}

export interface BacksUp<Spec, States> {
  /** Absent: the sandbox of the platform that it stands on; of any one, where it stands outside of all. */
  restoresIn?(component: Component<Spec>): RestoresIn
  /** The restored copies of other components that its restore test reaches itself. Pure. */
  readsCopies?(component: Component<Spec>): readonly CopyRead[]
  /** Absent: it holds no data of its own, and its restore test is one of the data of others. */
  backup?(component: Component<Spec>, states: States, site: SiteName, stack: Stack): DriverStep[]
  restoreTest(
    component: Component<Spec>,
    source: SiteName,
    sandbox: Sandbox,
    context: DriverContext,
  ): Promise<RestoreTestReport>
}

export interface IsDatabase<Spec> {
  sql(
    component: Component<Spec>,
    at: SiteName | Sandbox,
    query: string,
    context: DriverContext,
  ): Promise<readonly (readonly string[])[]>
}
export interface IsObjectStore<Spec> {
  objectStore(component: Component<Spec>, site: SiteName): ObjectStoreLocation
}

export interface Acts<Spec> {
  /**
   * Each action that its steps name. One that no step plans is a defect, and so is a step without its action:
   * conformance.
   */
  readonly actions: readonly AnyAction<Spec>[]
}

/** A component that exists once per site: a database has ten of these, a cache six. */
export interface SiteDriver<Spec, State> extends Declares<Spec>, ObservesSites<Spec, State>, Acts<Spec> {
  readonly kind: string
  readonly scope: 'site'
  readonly assess: Assesses<Spec, StatesPerSite<State>>
  readonly deploys?: Deploys<Spec, SiteName>
  readonly moves?: Moves<Spec, StatesPerSite<State>>
  readonly fences?: Fences<Spec, StatesPerSite<State>>
  readonly selfFences?: SelfFences<Spec, StatesPerSite<State>>
  readonly movesByItself?: MovesByItself<Spec, StatesPerSite<State>>
  readonly guardedUnits?: GuardedUnits<Spec>
  readonly liveness?: SeesLiveness<Spec, StatesPerSite<State>>
  readonly losses?: PredictsLoss<Spec, StatesPerSite<State>>
  readonly backups?: BacksUp<Spec, StatesPerSite<State>>
  readonly database?: IsDatabase<Spec>
  readonly store?: IsObjectStore<Spec>
}

/** A component that exists once for the whole stack: traffic, power, DNS. It sees three: observe, assess, move. */
export interface StackDriver<Spec, State> extends Declares<Spec>, ObservesOnce<Spec, State>, Acts<Spec> {
  readonly kind: string
  readonly scope: 'stack'
  readonly assess: Assesses<Spec, Observed<State>>
  readonly deploys?: Deploys<Spec, null>
  readonly moves?: Moves<Spec, Observed<State>>
  /** What its steps of a move shut, where it is traffic or power: it has no fence of its own beside them. */
  readonly levels?: readonly FenceLevel[]
  readonly liveness?: SeesLiveness<Spec, Observed<State>>
}

/** A driver as the core has it: its specification and its states are known to itself alone. */
export type Driver = SiteDriver<JsonObject, unknown> | StackDriver<JsonObject, unknown>
