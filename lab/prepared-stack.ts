import type { Identity } from '../src/domain/identities.ts'

/** A published stack file, adapted to the lab as a user would adapt it, and what its operations need. */
export interface PreparedStack {
  readonly path: string
  readonly directory: string
  /** Addresses of the application through each load balancer. */
  readonly addresses: readonly string[]
  /** The environment of an operation that runs with one identity; never that of an administrator. */
  environmentOf(identity: Identity): Promise<Record<string, string>>
}
