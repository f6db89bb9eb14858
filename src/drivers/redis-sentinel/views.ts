import { type AttachedReplica, attachedReplicas, infoFields, recordsIn } from '../../systems/redis/info.ts'

/** What one Redis says of itself. */
export interface RedisServer {
  readonly is: 'answering'
  readonly role: 'master' | 'replica'
  readonly version: string
  readonly runId: string
  /** The id of the replication history that it has, and the one that it had before its own promotion. */
  readonly history: string
  readonly historyBefore: string
  /** Of a master: what it has written to its history; of a replica: what it has received. Bytes. */
  readonly offset: number
  /** Where it left the history before, when it was promoted: bytes; null: it has none. */
  readonly leftAt: number | null
  /** Of a replica: the address of its master. */
  readonly follows: string | null
  /** Of a replica: whether it is connected, and whether it is being filled. */
  readonly linked: boolean
  readonly filling: boolean
  /** Seconds since a connected replica heard of its master; null for any other one. */
  readonly heardAgo: number | null
  /** Seconds since a replica lost its master; null for any other one. */
  readonly lostAgo: number | null
  /** Of a master. */
  readonly replicas: readonly AttachedReplica[]
  readonly priority: number
  readonly minReplicasToWrite: number
  /** Seconds; 0: `min-replicas-to-write` has no effect. */
  readonly minReplicasMaxLag: number
  readonly appendOnly: boolean
  /** Whether it writes RDB files by itself. */
  readonly saves: boolean
  readonly loading: boolean
}
export type RedisView = RedisServer | { readonly is: 'silent'; readonly why: string }

/** What one Sentinel says of the group. */
export interface Sentinel {
  readonly is: 'answering'
  /** Its own address of the master. */
  readonly master: string
  /** `s_down`, `o_down`, `failover_in_progress`, … */
  readonly flags: readonly string[]
  readonly failoverState: string | null
  readonly epoch: number
  readonly quorum: number
  /** Sentinels that it knows beside itself. */
  readonly others: number
  /** Milliseconds. */
  readonly downAfter: number
  readonly failoverTimeout: number
  /** What CKQUORUM says against it; null: quorum and majority are reached. */
  readonly noQuorum: string | null
  readonly replicas: readonly KnownReplica[]
}
export type SentinelView = Sentinel | { readonly is: 'silent'; readonly why: string }
/** A replica as a Sentinel knows it: its last INFO may be 10 s old. */
export interface KnownReplica {
  readonly address: string
  readonly priority: number
  readonly flags: readonly string[]
  readonly linked: boolean
}

/**
 * What one Redis is asked, in this order. INFO of Redis 6.2 and 7 alike. Whether it refuses writes comes before the
 * offset: an offset that was read before would lack what was acknowledged until the refusal.
 */
export const REDIS_COMMANDS = [
  ['CONFIG', 'GET', 'min-replicas-to-write'],
  ['CONFIG', 'GET', 'min-replicas-max-lag'],
  ['INFO', 'server'],
  ['INFO', 'replication'],
  ['INFO', 'persistence'],
  ['CONFIG', 'GET', 'replica-priority'],
  ['CONFIG', 'GET', 'appendonly'],
  ['CONFIG', 'GET', 'save'],
] as const

/** Reads the answers to {@link REDIS_COMMANDS}; null where they are none of a Redis. Pure. */
export function redisIn(replies: readonly string[]): RedisServer | null {
  const [minReplicas = '', maxLag = '', server = '', replication = '', persistence = '', ...others] = replies
  const [about, fields, kept] = [infoFields(server), infoFields(replication), infoFields(persistence)]
  const role = fields.get('role')
  if (role !== 'master' && role !== 'slave') return null
  const config = new Map(
    [minReplicas, maxLag, ...others].flatMap((reply) => recordsIn(`${reply}\n`, '').flatMap((one) => [...one])),
  )
  const isMaster = role === 'master'
  // One beyond its last byte; -1 where there is none (shiftReplicationId in replication.c).
  const second = Number(fields.get('second_repl_offset') ?? '-1')
  // Each is -1 where the other one counts (replication.c, genRedisInfoString).
  const secondsOf = (name: string): number | null => {
    const value = Number(fields.get(name) ?? '-1')
    return isMaster || value < 0 ? null : value
  }
  return {
    is: 'answering',
    role: isMaster ? 'master' : 'replica',
    version: about.get('redis_version') ?? '',
    runId: about.get('run_id') ?? '',
    history: fields.get('master_replid') ?? '',
    historyBefore: fields.get('master_replid2') ?? '',
    offset: Number(fields.get(isMaster ? 'master_repl_offset' : 'slave_repl_offset') ?? 0),
    leftAt: second > 0 ? second - 1 : null,
    follows: isMaster ? null : `${fields.get('master_host')}:${fields.get('master_port')}`,
    linked: fields.get('master_link_status') === 'up',
    filling: fields.get('master_sync_in_progress') === '1',
    heardAgo: secondsOf('master_last_io_seconds_ago'),
    lostAgo: secondsOf('master_link_down_since_seconds'),
    replicas: attachedReplicas(fields),
    priority: Number(config.get('replica-priority') ?? Number.NaN),
    minReplicasToWrite: Number(config.get('min-replicas-to-write') ?? Number.NaN),
    minReplicasMaxLag: Number(config.get('min-replicas-max-lag') ?? Number.NaN),
    appendOnly: config.get('appendonly') === 'yes',
    saves: (config.get('save') ?? '') !== '',
    loading: kept.get('loading') === '1',
  }
}

/** What one Sentinel is asked of the group. */
export const sentinelCommands = (group: string) =>
  [
    ['SENTINEL', 'MASTER', group],
    ['SENTINEL', 'REPLICAS', group],
    ['SENTINEL', 'CKQUORUM', group],
  ] as const

/** Reads the answers to {@link sentinelCommands}; null where it does not watch the group. Pure. */
export function sentinelIn(replies: readonly string[]): Sentinel | null {
  const [master = '', replicas = '', quorum = ''] = replies
  const [about = new Map<string, string>()] = recordsIn(master, 'name')
  const number = (name: string): number => Number(about.get(name) ?? Number.NaN)
  if (!about.has('config-epoch')) return null
  return {
    is: 'answering',
    master: `${about.get('ip')}:${about.get('port')}`,
    flags: flagsIn(about.get('flags')),
    failoverState: about.get('failover-state') ?? null,
    epoch: number('config-epoch'),
    quorum: number('quorum'),
    others: number('num-other-sentinels'),
    downAfter: number('down-after-milliseconds'),
    failoverTimeout: number('failover-timeout'),
    noQuorum: quorum.startsWith('OK') ? null : quorum.trim(),
    replicas: recordsIn(replicas, 'name').flatMap((one): KnownReplica[] =>
      one.has('slave-priority')
        ? [
            {
              address: `${one.get('ip')}:${one.get('port')}`,
              priority: Number(one.get('slave-priority')),
              flags: flagsIn(one.get('flags')),
              linked: one.get('master-link-status') === 'ok',
            },
          ]
        : [],
    ),
  }
}

const flagsIn = (flags = ''): string[] => flags.split(',').filter((flag) => flag !== '')

/** Whether a Sentinel moves the master at this moment, by itself or because it was asked. Pure. */
export const isMoving = ({ flags }: Sentinel): boolean => flags.includes('failover_in_progress')
