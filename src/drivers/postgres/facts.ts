import type { SqlRows } from '../../driver/context.ts'
import { type Fork, forksInFile } from '../../systems/postgres/timeline-history.ts'
import { asSegmentBytes, type SegmentBytes } from '../../systems/postgres/wal.ts'

/** What a server says of itself; null: it does not say, or the role may not see it. */
export interface ServerState {
  /** `system_identifier`: the same on every physical copy. */
  readonly systemId: string
  /** Of a primary: the one that it writes on. Of a replica: the newest that it follows, or has replayed. */
  readonly timeline: number
  /** A server in recovery accepts no write, whatever a session sets. */
  readonly inRecovery: boolean
  /** Of a primary: where it writes next (LSN). */
  readonly currentLsn: string | null
  readonly receivedLsn: string | null
  readonly replayLsn: string | null
  readonly replayPaused: boolean
  /** ISO 8601, of the newest commit that a replica has replayed. */
  readonly lastCommitAt: string | null
  /** `server_version_num`: 150020. */
  readonly version: number
  readonly segmentBytes: SegmentBytes | null
  /** Of a replica: its connection to what it follows; null: there is none. */
  readonly receiver: { readonly status: string; readonly host: string; readonly port: number | null } | null
  readonly archiver: {
    readonly lastWal: string | null
    /** ISO 8601. */
    readonly lastAt: string | null
    /** Whether the newest attempt failed. */
    readonly failing: boolean
  }
  readonly settings: Readonly<Record<string, string>>
  readonly senders: readonly { readonly name: string; readonly state: string; readonly sync: string }[]
  readonly slots: readonly { readonly name: string; readonly active: boolean; readonly walStatus: string }[]
  /** How it came to its timeline; null: the role may not read it. */
  readonly history: readonly Fork[] | null
  readonly may: { readonly promote: boolean; readonly monitor: boolean }
}

const SETTINGS = [
  'wal_segment_size',
  'wal_level',
  'archive_mode',
  'archive_timeout',
  'data_checksums',
  'wal_log_hints',
  'max_connections',
  'max_wal_senders',
  'max_worker_processes',
  'max_prepared_transactions',
  'max_locks_per_transaction',
  'recovery_min_apply_delay',
  'synchronous_standby_names',
  'default_transaction_read_only',
]

const isoOf = (time: string): string => `to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/**
 * One message: a member of pg_monitor reads all of it, on PostgreSQL 12 to 18. A control file names a new timeline
 * after the next checkpoint only, so a primary's is read from the segment that it writes, and of a replica the greatest
 * of three counts. The history is a file: only a role that may read it has it, and query_to_xml runs its inner query
 * only then.
 */
export const FACTS = `SELECT 'fact', name, coalesce(value, '') FROM (VALUES
  ('inRecovery', pg_is_in_recovery()::text),
  ('systemId', (SELECT system_identifier::text FROM pg_control_system())),
  ('timeline', CASE WHEN pg_is_in_recovery()
    THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()),
      (SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT received_tli FROM pg_stat_wal_receiver))
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END::text),
  ('currentLsn', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() END::text),
  ('receivedLsn', pg_last_wal_receive_lsn()::text),
  ('replayLsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END::text),
  ('replayPaused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END::text),
  ('lastCommitAt', ${isoOf('pg_last_xact_replay_timestamp()')}),
  ('version', current_setting('server_version_num')),
  ('promote', has_function_privilege('pg_promote(boolean,integer)', 'execute')::text),
  ('monitor', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')::text),
  ('history', CASE WHEN has_function_privilege('pg_read_file(text,bigint,bigint,boolean)', 'execute')
    THEN 'file ' || (xpath('/row/h/text()', query_to_xml($$SELECT encode(convert_to(coalesce(pg_read_file('pg_wal/'
      || upper(lpad(to_hex(greatest(timeline_id, (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
        (SELECT received_tli FROM pg_stat_wal_receiver)
      )), 8, '0')) || '.history', 0, 1000000, true), ' '), 'UTF8'), 'hex') AS h FROM pg_control_checkpoint()$$, false, true, '')))[1]::text
    END)
) AS facts(name, value);
SELECT 'setting', name, setting FROM pg_settings WHERE name IN (${SETTINGS.map((name) => `'${name}'`).join(', ')});
SELECT 'receiver', status, sender_host, sender_port FROM pg_stat_wal_receiver;
SELECT 'archiver', last_archived_wal, ${isoOf('last_archived_time')},
  last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver;
SELECT 'sender', application_name, state, sync_state FROM pg_stat_replication;
SELECT 'slot', slot_name, active, to_jsonb(slots)->>'wal_status' FROM pg_replication_slots AS slots;`

/** The state in the rows of {@link FACTS}; null where they are not whole. Pure. */
export function stateIn(rows: SqlRows): ServerState | null {
  const of = (kind: string): SqlRows => rows.filter((row) => row[0] === kind)
  const facts = Object.fromEntries(of('fact').map(([, name = '', value = '']) => [name, value]))
  const settings = Object.fromEntries(of('setting').map(([, name = '', value = '']) => [name, value]))
  const said = (name: string): string | null => facts[name] || null
  const [systemId, timeline, version] = [said('systemId'), Number(facts.timeline), Number(facts.version)]
  if (systemId === null || !Number.isInteger(timeline) || timeline < 1 || facts.inRecovery === undefined) return null
  const [receiver] = of('receiver')
  const [archiver] = of('archiver')
  return {
    systemId,
    timeline,
    inRecovery: facts.inRecovery !== 'false',
    currentLsn: said('currentLsn'),
    receivedLsn: said('receivedLsn'),
    replayLsn: said('replayLsn'),
    replayPaused: facts.replayPaused === 'true',
    lastCommitAt: said('lastCommitAt'),
    version,
    segmentBytes: asSegmentBytes(Number(settings.wal_segment_size)),
    receiver:
      receiver === undefined
        ? null
        : {
            status: receiver[1] ?? '',
            host: receiver[2] ?? '',
            port: portIn(receiver[3]),
          },
    archiver: {
      lastWal: archiver?.[1] || null,
      lastAt: archiver?.[2] || null,
      failing: archiver?.[3] === 't',
    },
    settings,
    senders: of('sender').map(([, name = '', state = '', sync = '']) => ({ name, state, sync })),
    slots: of('slot').map(([, name = '', active = '', walStatus = '']) => ({
      name,
      active: active === 't',
      walStatus,
    })),
    history: historyIn(said('history'), timeline),
    may: { promote: facts.promote === 'true', monitor: facts.monitor === 'true' },
  }
}

/** The first timeline has no file. On another one a file that is not there is unread, and not empty. */
function historyIn(said: string | null, timeline: number): readonly Fork[] | null {
  if (timeline === 1) return []
  if (said === null) return null
  const forks = forksInFile(Buffer.from(said.replace(/^file /, ''), 'hex').toString('utf8'))
  return forks.length === 0 ? null : forks
}

const portIn = (text: string | undefined): number | null => (text === undefined || text === '' ? null : Number(text))
