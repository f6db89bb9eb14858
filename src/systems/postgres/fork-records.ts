import type { ComponentName } from '../../domain/stack.ts'
import type { JsonObject } from '../../values/json.ts'
import { documentKind } from '../../witness/decode.ts'
import type { Records } from '../../witness/records.ts'
import { parseLsn } from './wal.ts'

/**
 * A history that a failover cut off, kept in the witness: its newest state holds rows that no user was served
 * afterwards.
 */
export interface ForkRecord {
  readonly schemaVersion: 1
  /** Under which name the history is archived. */
  readonly serverName: string
  /** The primary that wrote it, as the stack names it. */
  readonly cluster: string
  readonly site: string
  /** Where the new history left the old one (LSN); empty when it is not known. */
  readonly forkedAt: string
  /** The timeline that was left. */
  readonly forkedFrom: number
  readonly successor: string
  /** ISO 8601. */
  readonly at: string
  /**
   * `system_identifier`: a database that was made anew counts its timelines from 1 again. Absent in records of older
   * versions.
   */
  readonly systemId?: string
}

const text = { type: 'string', maxLength: 256 } as const
const forkDocument = documentKind<ForkRecord>(
  {
    type: 'object',
    required: ['schemaVersion', 'serverName', 'cluster', 'site', 'forkedAt', 'forkedFrom', 'successor', 'at'],
    properties: {
      schemaVersion: { const: 1 },
      serverName: text,
      cluster: text,
      site: text,
      forkedAt: text,
      forkedFrom: { type: 'integer', minimum: 0 },
      successor: text,
      at: { type: 'string', format: 'date-time' },
      systemId: text,
    },
  },
  'Restore its earlier version (the bucket keeps them): without it, it is unknown whether this archive may be restored.',
)

/** Where fork records are kept, and of which component. */
export interface ForkRecords {
  readonly component: ComponentName
  readonly records: Records
}

/** Writes one record; a second call with the same time replaces it. */
export async function recordFork({ component, records }: ForkRecords, fork: ForkRecord): Promise<void> {
  await records.write('forks', `${component}/${fork.serverName}/${fork.at}`, fork as unknown as JsonObject)
}

/**
 * The newest record of a history that was cut off, among those that `holds` accepts; null while the history lives.
 * Throws `witness-damaged` where a record cannot be read: the answer is unknown then.
 */
export async function newestFork(
  { component, records }: ForkRecords,
  serverName: string,
  holds: (fork: ForkRecord) => boolean = () => true,
): Promise<ForkRecord | null> {
  return (await records.newest('forks', `${component}/${serverName}/`, forkDocument, holds))?.record ?? null
}

/** The newest record of all histories of the component that `holds` accepts; a damaged record is passed over. */
export async function newestForkOfAny(
  { component, records }: ForkRecords,
  holds: (fork: ForkRecord) => boolean,
): Promise<ForkRecord | null> {
  const decides = (): boolean => false
  return (await records.newest('forks', `${component}/`, forkDocument, holds, decides))?.record ?? null
}

/** A replica, as far as it decides whether it can follow a new history. */
export interface Replica {
  /** The primary that it follows, as the stack names it. */
  readonly follows: string
  /** Under which name that primary archives, as the replica knows it; null: not known. */
  readonly followsArchive: string | null
  readonly replayLsn: string | null
  readonly timeline: number | null
  readonly systemId: string | null
}

/**
 * The failover that ended the history which a replica has replayed, at a position before its own: the replica holds
 * writes that the new history lacks, and can never follow it. Null where it can. What it has replayed decides: what is
 * only received is overwritten by the new history, as PostgreSQL itself judges (rescanLatestTimeLine in
 * xlogrecovery.c). Throws `witness-damaged` where a record of the history that it follows cannot be read; a damaged
 * record of another history is passed over.
 */
export async function forkBefore(around: ForkRecords, replica: Replica): Promise<ForkRecord | null> {
  const replayed = parseLsn(replica.replayLsn)
  if (replayed === null) return null
  const parted = (fork: ForkRecord): boolean => {
    const at = parseLsn(fork.forkedAt)
    return fork.cluster === replica.follows && isOfDatabase(fork, replica.systemId) && at !== null && replayed > at
  }
  // A rejoin of the primary gives it a new name, which its followers learn: the timeline that was left is still the
  // one that they replayed.
  const [here, renamed] = await Promise.all([
    replica.followsArchive === null ? null : newestFork(around, replica.followsArchive, parted),
    newestForkOfAny(around, (fork) => fork.forkedFrom === replica.timeline && parted(fork)),
  ])
  return here ?? renamed
}

/**
 * True also where the record or the replica does not say which database it is: a replica that waits for what it can
 * never follow would hold a move up.
 */
const isOfDatabase = (fork: ForkRecord, systemId: string | null): boolean =>
  !fork.systemId || !systemId || fork.systemId === systemId

/** One sentence for people about a replica that is parted. */
export const partedText = (name: string, replayed: string | undefined, fork: ForkRecord): string =>
  `${name} has replayed ${fork.cluster} up to ${replayed ?? 'an unknown position'}, and the failover of ${fork.at} to ${fork.successor} ended that history at ${fork.forkedAt}: what it has beyond is no part of the new one`
