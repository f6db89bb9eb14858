import { declareCodes } from '../../driver/codes.ts'
import { POSTGRES_CODES } from '../../systems/postgres/codes.ts'

export const codes = declareCodes('Database', {
  ...POSTGRES_CODES,
  'two-primaries': 'Two sites have a primary of the same database at once.',
  'no-primary-there': 'The active site has no primary: its database is a replica.',
  'synchronous-without-standby': 'A primary waits for a synchronous standby that it does not have: no write ends.',
  'slot-stuck': 'A replication slot without a reader keeps WAL, and may fill the volume of the primary.',
  'rights-missing': 'The role that asks lacks a right: what it cannot see, a move cannot prove.',
  'demotion-undeclared': 'Nothing is declared that keeps the old primary from taking writes.',
  'declared-call-refused': 'What runs the database refuses a declared call.',
  'end-unknown':
    'The old primary is shut, and where its WAL ends is unknown: it cannot be proved that nothing is lost.',
  'database-dump-damaged': 'What describes a dump in the object store cannot be read.',
  'database-dump-failed': 'A dump could not be taken.',
  'restored-copy-not-apart':
    'What answers under the name of a restored copy may be a server of a site: it is neither asked nor removed.',
  'replica-beyond-end': 'The replica is beyond the end of its primary: something wrote to it.',
})
