import type { DumpReference } from './planned-dump.ts'

/** The parameters of this driver's steps, as they stand in a plan. */

export type Dump = {
  /** The CronJob from whose template the job of the dump is made. */
  readonly job: string
}
export type Restore = {
  /** The site whose object store holds the dump. */
  readonly source: string
  /** Id of the step that takes the dump; empty: no step does. */
  readonly dump: string
  /** The dump that a failover was planned with: a last one of a lost site cannot be taken. */
  readonly planned?: DumpReference
}
export type Schedule = { readonly suspend: boolean }
