import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { ObjectStoreClient, ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { ProcessOptions, ProcessResult } from '../clients/process.ts'
import type { SshAccess, SshRunner } from '../clients/ssh.ts'
import type { FenceLevel } from '../domain/fence-levels.ts'
import type { AccessRule, CredentialUse, Identity } from '../domain/identities.ts'
import type { Sighting } from '../domain/liveness.ts'
import type { BySite, Gap, Observed } from '../domain/observed.ts'
import type { ComponentLoss, Finding, Intent, KeptData, PlannedStep, StepId } from '../domain/plan.ts'
import type { Check, Sandbox } from '../domain/restore-test.ts'
import type { Component, ComponentName, CredentialReference, Objectives, SiteName, Stack } from '../domain/stack.ts'
import type { Milliseconds } from '../duration.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Manual, ManualSurroundings } from './manual.ts'
import type { Records } from './records.ts'
import type { Varies, VaryingTitle } from './varying.ts'

/**
 * The code that knows one kind of component. The core asks for nothing else and imports no driver by name:
 * a system is added by one folder under `drivers/` and one line in `drivers/registry.ts`.
 */
export interface Driver<Spec = JsonObject, State = unknown> {
  /** As in `driver:` of the stack file. */
  readonly kind: string
  /** Whether the component exists once per site, or once for the whole stack. */
  readonly scope: 'site' | 'stack'
  /** It stands outside its site's Kubernetes, and can be seen when that is silent: an object store. */
  readonly outside?: true
  /** JSON Schema (2020-12) of the component's mapping in the stack file, without `driver` and `needs`. */
  readonly schema: JsonObject

  /** What this component holds alone: two claims that meet are an error of the stack file. Pure. */
  claims(component: Component<Spec>, stack: Stack): Claim[]
  /** Files of the user that the component reads, relative to the stack file; they are part of the stack's digest. Pure. */
  files?(component: Component<Spec>): readonly NamedPath[]
  /** What is wrong with the content of those files; offline, with reading them as its only effect. */
  fileProblems?(component: Component<Spec>, stack: Stack): Promise<SpecProblem[]>
  /** What the schema cannot say: references to other components or sites that do not exist, and what those must have. Pure. */
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
  observe(component: Component<Spec>, site: SiteName | null, context: DriverContext): Promise<Observed<State>>
  /** Where it is asked outside of Kubernetes, as URLs, so that a slow way is not taken for silence. Pure. */
  addresses?(component: Component<Spec>, site: SiteName | null): readonly string[]
  /** Blockers and warnings, for an intent (then `states` are those of its two ends, and of no site) or (null) for `status`. Pure. */
  assess(component: Component<Spec>, states: BySite<State>, intent: Intent | null, assessment: Assessment): Finding[]

  /** How far each passive site is behind the active one. Pure. */
  gaps?(component: Component<Spec>, states: BySite<State>, activeSite: SiteName, now: string): Readonly<Record<string, Gap>>
  /** The declared state of one site in its role, as units that are compared, applied and waited for. */
  deploy?(component: Component<Spec>, site: SiteName | null, deployment: Deployment, context: DriverContext): Promise<DeployUnit[]>
  /**
   * This component's steps of a switchover or a failover. Pure. In a failover no step acts on the lost site or waits for it,
   * whatever of it still answers: what shuts it out there belongs into `fence`.
   */
  move?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /** What a passive site that is neither end of a move does in PROTECT, if it can. Pure; no state is asked, for a third site may come and go. */
  follow?(component: Component<Spec>, follower: SiteName, intent: Intent, stack: Stack): PlannedStep[]
  /** Steps of a failover on a former active site whose API still answers: they make it impossible that it accepts a write. Pure. */
  fence?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /** Whether the lost site shuts itself once the witness names another one, and the step that waits until it must have. Pure. */
  outwait?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): Outwait
  /** The steps that turn the former active site `intent.to` into a passive one of `intent.from`. Pure. */
  rejoin?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /** The steps that open the active site `intent.to` again, after its guard or a fence has shut it: what others stand on in RESTORE_AUX, what serves in START. Pure. */
  reopen?(component: Component<Spec>, states: BySite<State>, intent: Intent, stack: Stack): PlannedStep[]
  /** Whether this component, where it still answers, sees another site alive: one vantage point beside the runner's own. Pure. */
  sees?(component: Component<Spec>, states: BySite<State>, site: SiteName): Sighting[]
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
   * Parameters of planned steps that follow what moves by nature, such as a number of replicas; by action, then by parameter. When an approved plan
   * is executed, every other parameter must be what a plan made anew says.
   */
  readonly varying?: Readonly<Record<string, Readonly<Record<string, Varies>>>>
  /** The titles that say such a parameter, by action. */
  readonly varyingTitles?: Readonly<Record<string, VaryingTitle<Spec>>>
  /** What performs the planned steps, by `action`. */
  readonly behaviours: Readonly<Record<string, Behaviour<Spec>>>

  /** Restores the newest backup of `source` into the sandbox and judges it; throws only what it cannot judge. */
  restoreTest?(component: Component<Spec>, source: SiteName, sandbox: Sandbox, context: DriverContext): Promise<RestoreTestReport>
  /** Read-only SQL on a site's database, or on its restored copy, as rows of text; for checks of identity by components that need it. */
  sql?(component: Component<Spec>, at: SiteName | Sandbox, query: string, context: DriverContext): Promise<SqlRows>
  /** Where an object-store component keeps its objects for a site. Pure. */
  objectStore?(component: Component<Spec>, site: SiteName): ObjectStoreLocation
}

/** `within`, in milliseconds of the witness' naming another site, or null: nothing can be promised, and what would mend that. */
export type Outwait =
  | { readonly within: Milliseconds; readonly wait: PlannedStep }
  | { readonly within: null; readonly why: string; readonly next: string }

/** Where a component keeps its objects for a site; null where it is none that keeps any. */
export type LocationOf = (component: ComponentName, site: SiteName) => ObjectStoreLocation | null

export interface Claim {
  /** `kubernetes dc-a infisical/Cluster/pg-dc-a`, `archive archive/`. */
  readonly key: string
  /** Only what lies below this in `key`, such as `redis/`; all of it when absent. What is claimed neither holds nor lies in another's. */
  readonly below?: string
  /** Where in the component it is declared: ['sites', 'dc-a', 'cluster']. */
  readonly path: readonly string[]
}

/** A file or folder of the user, as the stack file names it, and what it must be. */
export interface NamedPath {
  readonly path: string
  /** `mapping`: one YAML file that holds a mapping. `chart`: the folder of a Helm chart. `certificates`: one or more, in PEM. */
  readonly is: 'mapping' | 'chart' | 'certificates'
}

export interface SpecProblem {
  readonly path: readonly string[]
  readonly what: string
  /** Reported, and no reason to refuse the file. */
  readonly severity?: 'warning'
  readonly candidates?: readonly string[]
}

/** What surrounds an assessment: values only. */
export interface Assessment {
  /** ISO 8601: time comes in as a value. */
  readonly now: string
  readonly objectives: Objectives
  /** Which site the witness calls active; null when nobody knows. */
  readonly activeSite: string | null
  readonly stack: Stack
}

/** All that a driver may reach. Values and clients come in; nothing is global. */
export interface DriverContext {
  readonly stack: Stack
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
  kubernetes(site: SiteName): KubernetesClient
  /** Content of a site's kubeconfig, for programs that bring their own client. */
  kubeconfig(site: SiteName): Promise<string>
  /** The value behind a reference, masked in every output from then on. */
  credential(reference: CredentialReference, site?: SiteName): Promise<string>
  /** The object store that a component of the stack declares for a site; opened to read, unless more is asked for. */
  objectStore(
    component: ComponentName,
    site: SiteName,
  ): { readonly location: ObjectStoreLocation; open(access?: 'read' | 'write' | 'policy'): Promise<ObjectStoreClient> }
  /** Read-only SQL through the driver of a database component. */
  sql(component: ComponentName, at: SiteName | Sandbox, query: string): Promise<SqlRows>
  /** Runs a program to its end or to its deadline; never through a shell. */
  run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult>
  /** A shared, authenticated connection to a host; closed with the operation. */
  ssh(access: SshAccess): SshRunner
  /** The newest proof that a step of this or an earlier run left, such as a backup's manifest. */
  readonly records: Records
}

export type SqlRows = readonly (readonly string[])[]

export type RunOptions = Pick<ProcessOptions, 'deadline' | 'input' | 'env' | 'purpose' | 'cwd' | 'signal'>
export type RunResult = Pick<ProcessResult, 'code' | 'stdout' | 'stderr'>

export interface Clock {
  now(): Date
  /** Resolves after the time, or rejects at once when the signal is aborted. */
  sleep(ms: Milliseconds, signal: AbortSignal): Promise<void>
}

export interface Log {
  /** A change of state that a person wants to see. */
  info(line: string): void
  warning(line: string): void
  debug(line: string): void
}

/** How far a step is. Waiting cannot help once it is `failed`. */
export type Progress =
  | { readonly is: 'done'; readonly proof: JsonObject }
  /**
   * `restsOn`: an effect is due, on what was seen here. `takenBackBy`: it was done before, and somebody else has taken it back; with it, the effect is
   * done again and again: for what has no way back any more.
   */
  | { readonly is: 'pending'; readonly waitingFor: string; readonly restsOn?: RestsOn; readonly takenBackBy?: string }
  | { readonly is: 'failed'; readonly code: string; readonly why: string; readonly next?: string }
  /** It could not be observed: an effect may have happened. */
  | { readonly is: 'unknown'; readonly why: string }

/** What an effect rests on, such as the version of the object that it changes: if that is another one by then, the effect is refused. */
export type RestsOn = JsonObject

/**
 * What a step does. Each method may run twice, and after a crash of another process. Where there is a `touch`, every effect is a
 * compare-and-set on what `done` or `undone` saw before the last look at the lock: nothing that a process does late finds what it saw.
 */
export interface Behaviour<Spec = JsonObject> {
  /** Observes whether the post-condition holds; read-only. */
  done(run: StepRun<Spec>): Promise<Progress>
  /** The effect: idempotent. Absent for steps that only wait or check. */
  apply?(run: StepRun<Spec>): Promise<void>
  /** Yields whenever `done` is worth asking again, so that waits end early; the engine asks now and then all the same. */
  changes?(run: StepRun<Spec>): AsyncIterable<unknown>
  /**
   * A word to whoever does the rest by itself, such as an operator, when it is not done after `every`, and again as often: harmless where
   * it is under way. The lock is looked at before each. `reminderBack`: while its effect is taken back.
   */
  readonly reminder?: { readonly every: Milliseconds; remind(run: StepRun<Spec>): Promise<void> }
  readonly reminderBack?: Behaviour<Spec>['reminder']
  /** Takes the effect back, before the point of no return: idempotent, and harmless where the effect never happened. */
  undo?(run: StepRun<Spec>): Promise<void>
  /** Observes whether it is taken back, and what was before is true again. */
  undone?(run: StepRun<Spec>): Promise<Progress>
  /**
   * Makes too late what others have sent, or were about to send: the object gets another version, and is otherwise left as it is. May be
   * repeated. Where there is one, `apply` and `undo` are called only while `restsOn` says that they are due, and `undone` is not optional.
   */
  touch?(run: StepRun<Spec>): Promise<void>
}

export interface StepRun<Spec = JsonObject> {
  readonly step: PlannedStep
  readonly component: Component<Spec>
  /** null outside moves. */
  readonly intent: Intent | null
  readonly context: DriverContext
  /** Aborted at the step's deadline and on cancellation. */
  readonly signal: AbortSignal
  /** When this step began, ISO 8601; also after a resume. */
  readonly begunAt: string
  /** Whether this process has performed the effect: for effects that leave no trace to be observed, such as a checkpoint. */
  readonly applied: boolean
  /** Whether the point of no return is behind: an effect that somebody takes back is done again and again, for nothing goes back any more. */
  readonly pastReturn?: boolean
  /** For `apply` and `undo`: what `done` or `undone` saw, and what the effect must hold on to. */
  readonly restsOn?: RestsOn
  /** What an earlier step of this run proved. */
  proofOf(step: StepId): JsonObject | null
}

export type Role = 'active' | 'passive'

/** The whole picture that a deploy brings about. */
export interface Deployment {
  readonly activeSite: SiteName
  roleOf(site: SiteName): Role
  readonly observed: BySite
  /** Of the witness; null: it names no active site, as before the first deploy. */
  readonly epoch: number | null
  /** Whether what other hands made is taken over, instead of refused. */
  readonly adopt: boolean
}

/** One unit of declared state: compared first, applied only when it differs, then waited for. */
export interface DeployUnit {
  readonly id: string
  readonly site: SiteName | null
  /** Units that must be ready first; where none is named, passive sites come before the active one. */
  readonly needs: readonly string[]
  readonly title: string
  readonly deadline: Milliseconds
  /** Empty: nothing differs, and nothing will be done. */
  diff(signal: AbortSignal): Promise<Change[]>
  apply(signal: AbortSignal): Promise<void>
  ready(signal: AbortSignal): Promise<Progress>
}

export interface Change {
  /** `refused`: it must not or can not be, and nothing of the deploy begins. `keep`: what an adoption leaves as it is. */
  readonly kind: 'create' | 'update' | 'delete' | 'refused' | 'keep'
  /** `infisical/Cluster/pg-dc-a`. */
  readonly object: string
  /** `spec.instances`; absent for whole objects. Secret values never appear: their hashes do. */
  readonly path?: string
  readonly from?: Json
  readonly to?: Json
  /** Why it is refused, and what to do. */
  readonly why?: string
}

export interface RestoreTestReport {
  readonly backup: { readonly id: string; readonly takenAt: string; readonly bytes: number | null }
  readonly checks: readonly Check[]
  readonly restoreDuration: Milliseconds
  /** How components that need this one reach the restored copy, inside the sandbox. */
  readonly endpoint?: JsonObject
}
