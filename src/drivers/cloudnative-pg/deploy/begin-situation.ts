import type { Role } from '../../../driver/deployment.ts'

/** What stands where the Cluster of one site belongs. */
export type Standing =
  | { readonly is: 'absent' }
  /** Deleted, and not gone yet. */
  | { readonly is: 'leaving' }
  /** `ours`: a deploy of this stack made or adopted it. */
  | { readonly is: 'ours' | 'others'; readonly systemId: string | null; readonly primary: boolean }

/** What another site has of the same database, or this one under another name. */
export interface Elsewhere {
  readonly site: string
  readonly cluster: string
  readonly holds: 'nothing' | 'copy' | 'primary' | 'unknown'
  /** Absent: a deploy of this stack made it, or there is none. */
  readonly madeBy?: 'others'
  readonly systemId: string | null
}

/** Under which names this site's archive holds anything of this cluster. */
export type ArchiveContent =
  | { readonly is: 'read'; readonly names: readonly string[] }
  | { readonly is: 'unknown'; readonly why: string }

/** What the witness remembers of this database. */
export type OnRecord =
  | { readonly is: 'nothing' }
  | { readonly is: 'a backup'; readonly systemId: string | null }
  | { readonly is: 'unknown'; readonly why: string }

/** All that decides how the database of one site begins. Values only. */
export interface Situation {
  readonly site: string
  readonly cluster: string
  readonly role: Role
  /** null: the witness names no active site. */
  readonly epoch: number | null
  readonly adopt: boolean
  readonly standing: Standing
  readonly archive: ArchiveContent
  /** Completed Backup objects that name this cluster. */
  readonly backups: readonly string[]
  readonly onRecord: OnRecord
  readonly elsewhere: readonly Elsewhere[]
  /** Under which name the other sites know that this one archives. */
  readonly knownAs: string | null
  /** That name, unless a failover cut its history off. */
  readonly expected: string | null
}
