import type { Finding } from '../../domain/plan.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import { declareCodes } from '../../driver/codes.ts'
import type { AnyReasonCode } from '../../errors/reason-codes.ts'
import { BACKUP_CODES, POSTGRES_CODES } from '../../systems/postgres/codes.ts'

/** The reason codes that this driver alone uses. */
export const codes = declareCodes('Database', {
  ...POSTGRES_CODES,
  ...BACKUP_CODES,
  'active-database-missing':
    'The active site has no database, and there was one: no deploy makes an empty one in its place. A failover, or a restore from the archive, brings it back.',
  'archive-not-empty': 'A database would begin empty, and its archive holds an earlier one of that name.',
  'archive-unread': 'It is unknown whether an archive is empty: nothing is begun that would write to it.',
  'cluster-leaving': 'A Cluster is being deleted, and not gone yet.',
  'database-not-answering': 'The primary instance does not answer.',
  'database-not-healthy': 'The operator does not call the cluster healthy.',
  'database-not-ready': 'Not all instances are ready.',
  'database-fenced': 'The cluster is fenced.',
  'database-hibernated': 'The cluster is hibernated.',
  'database-switching': 'A demotion is in progress.',
  'database-switch-left': 'A primary has remains of an interrupted demotion; the next switchover clears them.',
  'database-bootstrap-failed': 'The first instance of a cluster could not be made.',
  'database-secrets-differ': 'A Secret that both sites must share differs between them.',
  'secrets-differ': 'A Secret of the database is not the same on both sites: after a move logins would fail.',
  'database-values-invalid': "The user's own part of the cluster cannot be used.",
  'cluster-unrecoverable': 'The operator has given the cluster up.',
  'no-cluster': 'No Cluster says where it archives: it was never deployed.',
  'no-primary': 'The cluster has no primary instance.',
  'local-switchover': 'The cluster changes its primary inside its site right now.',
  'archive-left': 'A move that did not end left a cluster without the archive of the other side.',
  'replica-ships-nothing': 'A replica replays and archives nothing, as for the time of a move.',
  'smart-shutdown-slow': 'Open sessions can lock new ones out for long after a promotion.',
  'operator-too-old': 'The database operator is too old for this driver.',
  'operator-old': 'The database operator has a known defect for moves.',
  'restart-supervised': 'After a promotion the cluster would wait for a person to restart it.',
  'restart-by-switchover': 'A promotion would be followed by a second one inside the site.',
  'volume-too-full':
    'A volume of the database has less room than a move needs: a PostgreSQL that restarts on it would not come up. Nothing was changed.',
  'wal-segments-unknown': 'The length of the WAL segments of a cluster is unknown, and so is how far behind a copy is.',
  'synchronous-too-few':
    'A cluster waits for more synchronous standbys than it can have: as a primary it would accept no write.',
  'operators-differ': 'Two sites run different versions of the database operator.',
  'plugin-old': 'The archive plug-in has a known defect for promotions.',
  'promotion-token-left': 'A used promotion token stops the operator.',
  'demotion-cannot-end': 'PostgreSQL was killed amid its demotion: only a failover ends what was begun.',
  'promotion-refused': 'The operator refuses the promotion.',
  'replica-ahead-of-token': 'The replica is beyond the end of its primary: something wrote to it.',
  'follows-another': 'The replica follows another cluster than the active one.',
  'timelines-differ': 'Primary and replica are on different timelines.',
  'not-a-primary': 'The database that should be opened again is a replica, or amid a change of its role.',
  'former-primary': 'The former active site still has a primary: a rejoin fences it and clones it anew.',
  'archive-silent': 'The archive of the lost site does not answer: what it still holds is lost.',
  'drain-stuck':
    'The replica does not fetch what the archive of the lost site holds, and the accepted loss does not cover what would be missing.',
  'archive-hole': 'A segment is missing in the archive of the lost site: what follows the gap cannot be replayed.',
  'archive-still-grows': 'The lost database shipped WAL a moment ago: it died just then, or it still writes.',
  'archive-not-closable': 'No credentials are declared that may close the archive of a lost site.',
  'evidence-unreadable': 'What only the former active site has cannot be read.',
  'backup-running': 'A backup is not finished.',
})

type OwnCode = keyof typeof codes.table
/** A finding of this component at one site, by a code of this driver or of the core. */
export type Say = (code: OwnCode | AnyReasonCode, severity: Finding['severity'], what: string, next?: string) => Finding

export const sayAt =
  ({ name }: Pick<Component, 'name'>, site: SiteName): Say =>
  (code, severity, what, next) => ({
    code: codeOf(code),
    severity,
    component: name,
    site,
    what,
    ...(next === undefined ? {} : { next }),
  })

const isOwn = (code: OwnCode | AnyReasonCode): code is OwnCode => Object.hasOwn(codes.table, code)
/** A code of this driver by its name; a code of the core as it is. */
export const codeOf = (code: OwnCode | AnyReasonCode): AnyReasonCode => (isOwn(code) ? codes.code[code] : code)
