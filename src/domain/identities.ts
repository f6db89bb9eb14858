import type { CredentialReference, SiteName } from './stack.ts'

/** A credential that a component declares, and the identities that need it. */
export interface CredentialUse {
  readonly reference: CredentialReference
  readonly identities: readonly Identity[]
  /** What it opens, and why: printed beside its name. */
  readonly because: string
  /** Optional: without it the identity works, and says what it cannot see or do. */
  readonly optional?: true
}

/** `guard` works inside its own site, with the rights of the fences and read access to the witness. */
export type Identity = 'observer' | 'deployer' | 'mover' | 'restore-tester' | 'guard'
/** The ones that operations run with; a guard runs inside its site. */
export const OPERATING: readonly Identity[] = ['observer', 'deployer', 'mover', 'restore-tester']

/** Represents the namespace of restore tests in the rules of drivers. */
export const IN_SANDBOX = '@sandbox'

export type AccessRule =
  | {
      readonly kind: 'kubernetes'
      readonly identity: Identity
      readonly site: SiteName
      /** null: a ClusterRole. {@link IN_SANDBOX}: the namespace of restore tests. */
      readonly namespace: string | null
      readonly apiGroups: readonly string[]
      readonly resources: readonly string[]
      readonly verbs: readonly string[]
      readonly resourceNames?: readonly string[]
      /** Why it is needed: printed beside the rule. */
      readonly because: string
    }
  | {
      readonly kind: 'object-store'
      readonly identity: Identity
      readonly bucket: string
      readonly prefix: string
      /** `policy`: to read and replace the policy of the bucket itself. */
      readonly actions: readonly ('list' | 'get' | 'put' | 'delete' | 'policy')[]
      readonly because: string
    }
