import type { Check } from '../domain/restore-test.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { RestoreEndpoint } from './proofs.ts'

/** What a driver says of a backup that it restored and judged. */
export interface RestoreTestReport {
  readonly backup: { readonly id: string; readonly takenAt: string; readonly bytes: number | null }
  readonly checks: readonly Check[]
  readonly restoreDuration: Milliseconds
  /** How components that need this one reach the restored copy, inside the sandbox. */
  readonly endpoint?: RestoreEndpoint
}
