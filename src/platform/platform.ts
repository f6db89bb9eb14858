import type { Contact, Trips } from '../clients/patience.ts'
import type { SpecProblem } from '../domain/declaration.ts'
import type { AccessRule, CredentialUse, Identity } from '../domain/identities.ts'
import type { LivenessSignal } from '../domain/liveness.ts'
import type { Site, SiteName, Stack } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import type { Unseen } from '../errors/unseen.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'

/**
 * One kind of platform that a site consists of: a cluster, a set of hosts. The core asks it and names none; a platform
 * is added by one folder below `platform/` and one line in `platform/registry.ts`. All of it is pure but `reach` and
 * `sandbox`.
 */
export interface Platform {
  /** The key of its declaration below a site of the stack file. */
  readonly name: string
  /** JSON Schema (2020-12) of that declaration. */
  readonly schema: JsonObject
  /**
   * What the schema cannot say about one site, and about sites that share what they must not. Paths begin at a site.
   */
  problems(sites: readonly Site[]): readonly Omit<SpecProblem, 'candidates'>[]
  /** Which identities read which credential of the declaration. */
  credentials(site: Site): readonly CredentialUse[]
  /** The way to this platform of a site. Contacts nothing yet. */
  reach(site: Site, context: DriverContext): Reached
  /** What its view says of the life of the site. A silence that speaks for death says `down`; the core counts it. */
  signal(view: PlatformView): Pick<LivenessSignal, 'says' | 'what'>
  /** The code and the advice of a finding about its silence. */
  silence(cause: Unseen, site: SiteName): { readonly code: ReasonCode; readonly next: string }
  /** How it is said that what answers is not what the stack file names. */
  stranger(site: SiteName, identity: string): StrangerText
  /** One line for `status`: `Kubernetes v1.34.1, 12 ms`. */
  text(view: AnsweringView): string
  /** Rights that the core itself needs there. */
  coreRules(stack: Stack, site: Site, identity: Identity): readonly AccessRule[]
  /** The objects that give identities their rights; printed for an administrator, never applied. */
  accessObjects(
    stack: Stack,
    site: Site,
    rules: readonly AccessRule[],
    identities: readonly Identity[],
  ): readonly JsonObject[]
  readonly sandbox: SandboxOfPlatform
  readonly byHand: ByHand
}

/** A platform of one site, ready to be asked. */
export interface Reached {
  /** How long the way is, and when it was last heard; absent: no client notes it. */
  readonly contact?: Contact
  /** How often its own answer goes that way; absent: as often as that of an API server. */
  readonly trips?: Trips
  /**
   * Logs in, where a program does that. Not a part of the time in which a site has to answer. Throws `login-failed`.
   */
  signIn(): Promise<void>
  /**
   * Who it is, and how it is. Read-only; ends with the signal, and then returns what has been seen by then, or throws
   * what kept it from an answer. Calls `answered` as soon as a part of it has proved to be the declared one: what
   * stands there is asked from then on, while the other parts are waited for.
   */
  look(signal: AbortSignal, answered?: () => void): Promise<PlatformView>
  /**
   * Who answers, without its state: a guard has little time, and this asks less than `look`. Throws where no whole
   * answer comes.
   */
  identify(signal: AbortSignal): Promise<Identified>
}
/** What answers, compared with the declaration. */
export interface Identified {
  readonly isDeclared: boolean
  /** `cluster 7f3…` */
  readonly found: string
  readonly declared: string
}

export interface AnsweringView {
  readonly kind: 'answering'
  /** UID of a cluster, machine-ids of hosts: what is compared with the declaration. */
  readonly identity: string
  readonly version: string
  readonly latency: Milliseconds
  /** How many of its nodes or hosts are ready; absent where that may not be asked. */
  readonly parts?: { readonly ready: number; readonly total: number }
}
/** What was seen of one platform of a site. */
export type PlatformView =
  | AnsweringView
  /** It answers, and it is not what the stack file names. */
  | { readonly kind: 'stranger'; readonly identity: string }
  /** It could not be looked at; the cause says whether that is its silence, or a fault on our own side. */
  | { readonly kind: 'silent'; readonly cause: Unseen; readonly why: string; readonly triedFrom: readonly string[] }

export interface StrangerText {
  readonly code: ReasonCode
  /** `the kubeconfig leads to another cluster` */
  readonly short: string
  /** `the kubeconfig of dc-a leads to another cluster: its kube-system has the UID …` */
  readonly what: string
  /** What to compare with what; no full stop. */
  readonly compare: string
}

/** A place on a passive site in which backups are restored and judged; nothing that is not marked as one is emptied. */
export interface SandboxOfPlatform {
  /** Its name on each site of the stack. */
  nameFor(stack: string): string
  /**
   * Removes all that is in it, and proves that nothing is left; the number of things that were removed. Throws
   * `sandbox-missing`, `sandbox-in-use`, `sandbox-not-empty` with what remains, `sandbox-unsupported`.
   */
  empty(site: SiteName, name: string, context: DriverContext, around: EmptyingSandbox): Promise<number>
  /** The labels of what a restore test makes in it. */
  labels(stack: string, test: string): Readonly<Record<string, string>>
  /** A context whose questions to this platform outlast what is transient, for work that is no sequence of steps. */
  patient(context: DriverContext, around: Patient): DriverContext
}
export interface EmptyingSandbox {
  /** The restore test that asks: the sandbox of another one, which lives, is not emptied. */
  readonly test: string
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly deadline: Milliseconds
}
export interface Patient {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** How long each call may be tried. */
  readonly patience: Milliseconds
}

/** What a runbook says of it. */
export interface ByHand {
  /** What a person needs for these sites, in Markdown: "`kubectl` with one context per site (`dc-a`)". */
  needs(sites: readonly Site[]): string
  /** The command that takes the access objects of a site, for the administrator. */
  apply(site: Site): string
  /** A line for a shell that shows who the platform of a site is, with the remark what to compare it with. */
  identify(site: Site): string
}
