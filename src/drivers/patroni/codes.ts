import { declareCodes } from '../../driver/codes.ts'
import { BACKUP_CODES } from '../../systems/postgres/codes.ts'

/** The reason codes that this driver alone uses. */
export const codes = declareCodes('Database', {
  ...BACKUP_CODES,
  'patroni-silent': 'No member of the Patroni cluster of a site answers.',
  'patroni-member-silent': 'One member of a Patroni cluster does not answer.',
  'patroni-another-member': 'A REST API answers for another member, or another scope, than the declared one.',
  'patroni-unlocked': 'No member holds the lock: Patroni elects one, or cannot.',
  'patroni-split': 'Members of one site disagree: more than one accepts writes, or one does against the configuration.',
  'patroni-passive-writable': 'A passive site accepts writes: it is no standby cluster.',
  'patroni-active-standby': 'The active site is a standby cluster, and accepts no write.',
  'patroni-follows-another': 'A standby cluster follows another site than the active one.',
  'patroni-not-streaming': 'The standby leader of a site does not stream.',
  'patroni-slot-missing': 'A cluster has no permanent slot for another site.',
  'patroni-paused': 'Patroni is paused: it would carry out no move.',
  'patroni-restart-pending': 'A member waits for a restart, which a move would bring about.',
  'patroni-failsafe': 'Patroni runs without its store, in failsafe mode.',
  'patroni-watchdog': 'The watchdog of a member does not work.',
  'patroni-switchover-scheduled': 'A switchover inside a site is asked for or scheduled.',
  'patroni-too-old':
    'Patroni before 4.1 stops a primary at once when it is demoted: the last commits could be missing.',
  'patroni-versions-differ': 'The sites run different major versions of PostgreSQL.',
  'patroni-another-database': 'The database of a site is no copy of that of the active site.',
  'patroni-history-forked': 'The histories of two sites parted: one has rows that the other lacks.',
  'patroni-too-far-behind': 'A standby cluster is too far behind for a switchover.',
  'patroni-replay-paused': 'A standby does not replay.',
  'patroni-timeline-unknown': 'A standby streams, and its Patroni cannot read on which timeline.',
  'patroni-rewind-off': 'A former active site could not be rewound: it would be cloned anew.',
  'patroni-sync-alone':
    'A cluster waits for a synchronous standby that it does not have: as a primary it would accept no write.',
  'patroni-another-ahead': 'Another passive site holds more of the lost one than the site that takes over.',
  'patroni-store-silent': 'The store (DCS) of a Patroni cluster does not answer.',
  'patroni-store-refused': 'The store (DCS) of a Patroni cluster refuses a call.',
  'patroni-store-changed': 'The configuration of a Patroni cluster was changed by others meanwhile.',
  'patroni-refused': 'The REST API of Patroni refuses the login of a move.',
  'patroni-config-missing': 'The store holds no configuration of the Patroni cluster, or one that cannot be read.',
  'patroni-command-failed': 'A command on a host of the Patroni cluster failed.',
  'patroni-evidence-unreadable': 'What only the former active site has cannot be read.',
  'patroni-not-stopped': 'PostgreSQL or Patroni runs where its data would be removed.',
  'patroni-archive-silent': 'pgBackRest on a site does not say how its archive is.',
  'patroni-stanza-missing':
    'The stanza of a site does not exist, or is of another database: as the active one the site could not archive.',
  'patroni-lock-elsewhere': 'The lock of a cluster over all sites is held at another site than the move needs.',
  'patroni-moves-by-itself':
    'A cluster over all sites fails over by itself: Standby promotes nothing of it, and follows when it has moved.',
  'patroni-voters-uneven':
    'One site holds half of the store of a cluster over all sites, or more: without that site no member may lead.',
  'patroni-asynchronous':
    'A cluster over all sites replicates asynchronously: a failover by itself may lose what was acknowledged last.',
  'patroni-switchover-refused': 'Patroni does not hand the lock over to the member that it was asked for.',
  'patroni-former-primary': 'The former active site is still a primary, or would become one: a rejoin stops it first.',
})
