import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { FenceLevel } from './fence-levels.ts'

/**
 * What the user declares in `standby.yaml`, validated and frozen. The active site is not in it: the witness knows that.
 */
export interface Stack {
  readonly name: string
  readonly sites: readonly Site[]
  /** For the first deploy only; later the witness says which site is active. */
  readonly initialActive: SiteName
  readonly witness: WitnessDeclaration
  readonly approval: ApprovalDeclaration
  readonly objectives: Objectives
  readonly fencing: FencingDeclaration
  /** Each comes after what it needs. */
  readonly components: readonly Component[]
  readonly source: StackSource
  /** Warnings about the file, which do not refuse it; absent: none. */
  readonly warnings?: readonly StackWarning[]
}

export interface StackWarning {
  /** `witness.bucket` */
  readonly path: string
  readonly what: string
  /** 1-based. */
  readonly line: number | null
}

declare const siteName: unique symbol
/** The name of a declared site: only the loader makes one. */
export type SiteName = string & { readonly [siteName]: true }
export type ComponentName = string

export interface Site {
  readonly name: SiteName
  /** What it consists of: the declaration of each platform by its name, as the platform's schema allows it. */
  readonly platforms: Readonly<Record<string, JsonObject>>
}

/** Where a credential is found; never its value. */
export type CredentialReference =
  | { readonly env: string }
  | { readonly file: string }
  /** A key of a Kubernetes Secret; without `site`, of the site that is being worked on. */
  | {
      readonly secret: {
        readonly namespace: string
        readonly name: string
        readonly key: string
        readonly site?: string
      }
    }

/** One part of the stack. `spec` is the driver's part, as its schema allows it; `sites` holds what differs per site. */
export interface Component<Spec = JsonObject> {
  readonly name: ComponentName
  readonly driver: string
  readonly needs: readonly ComponentName[]
  readonly spec: Spec
}

export interface WitnessDeclaration {
  readonly driver: string
  /** The declared site that it is lost with; absent: it is kept outside of all sites. */
  readonly site?: SiteName
  readonly spec: JsonObject
}

export interface ApprovalDeclaration {
  readonly github?: GitHubReviewers
  readonly signatures?: RequiredSignatures
  /** How long a plan may wait for its reviewer. */
  readonly expiry: Milliseconds
}

/** The level of the ladder that a move must reach before anything is promoted; null: not declared. */
export interface FencingDeclaration {
  readonly switchover: FenceLevel | null
  readonly failover: FenceLevel | null
}

/** Reviewers of protected environments on GitHub. */
export interface GitHubReviewers {
  /** Each must be approved for the run: GitHub asks for only one reviewer per environment. */
  readonly environments: readonly string[]
  /** The only branch that may be moved from. */
  readonly branch: string
  /** Distinct people over all environments; never more than there are environments. */
  readonly approvers: number
}

/** Detached signatures, for the day when GitHub cannot be asked. */
export interface RequiredSignatures {
  /** Of distinct keys. */
  readonly required: number
  readonly keys: readonly SignatureKey[]
}
export interface SignatureKey {
  /** The owner of the key: recorded in the evidence, and compared with the requester of a move. */
  readonly name: string
  /** As in a `.pub` file of OpenSSH: `ssh-ed25519 AAAA… comment`. */
  readonly key: string
}

/** What restore tests and predictions are judged against. */
export interface Objectives {
  readonly backupAge: Milliseconds
  readonly restoreTime: Milliseconds
}

export interface StackSource {
  readonly path: string
  /** Values files and charts are found relative to this folder. */
  readonly directory: string
  /** SHA-256 of the stack file and of the files that it names. */
  readonly digest: string
}

export function siteOf(stack: Stack, name: string): Site {
  const site = stack.sites.find((candidate) => candidate.name === name)
  if (site === undefined) throw new Error(`unknown site ${name}`)
  return site
}

export function componentOf(stack: Stack, name: ComponentName): Component {
  const component = stack.components.find((candidate) => candidate.name === name)
  if (component === undefined) throw new Error(`unknown component ${name}`)
  return component
}
