import type { Check } from '../../../domain/restore-test.ts'
import type { CataloguedDump } from '../../../systems/redis/catalogue.ts'
import { databasesOf, keysInWords } from '../../../systems/redis/count-keys.ts'
import { checkOf } from '../../../systems/redis/judge-loaded.ts'
import { type Group, redisAt } from '../spec.ts'
import type { RdbListing } from './rdb-listing.ts'

/** Whether the fetched file has the checksum of its description. Pure. */
export const judgeUnchanged = (component: Pick<Group, 'name'>, { sha256 }: CataloguedDump, fetched: string): Check =>
  checkOf(component)(
    'dump-unchanged',
    sha256 === fetched,
    'the checksum that was written down with it',
    sha256 === fetched ? 'the same' : fetched || 'nothing',
  )

/**
 * Whether it is a dump of the declared group: its description names a declared server, and the file the replication
 * history and the offset that were written down. Pure.
 */
export function judgeOrigin(component: Group, { origin, offset }: CataloguedDump, listing: RdbListing): Check {
  const check = checkOf(component)
  const { group } = component.spec
  const expected = `a declared server of ${group}, and its history of replication`
  if (origin === undefined) return check('same-master', false, expected, 'a dump that names no server')
  const said = `${origin.server} of ${origin.group}`
  if (origin.group !== group || redisAt(component, origin.server) === null)
    return check('same-master', false, expected, said)
  const isSame = listing.history === origin.history && listing.offset === offset
  return check(
    'same-master',
    isSame,
    `${expected}: ${origin.history.slice(0, 8)} up to ${offset}`,
    `${said}: ${listing.history.slice(0, 8) || 'no history'} up to ${listing.offset}`,
  )
}

/** Whether the file holds exactly the keys that were counted when it was taken. Pure. */
export function judgeCounts(component: Pick<Group, 'name'>, dump: CataloguedDump, listing: RdbListing): Check {
  const [held, found] = [databasesOf(dump), databasesOf({ ...listing, databases: listing.databases ?? {} })]
  const isSame =
    dump.keys === listing.keys &&
    (dump.databases === undefined ||
      listing.databases === null ||
      (Object.keys(held).length === Object.keys(found).length &&
        Object.entries(held).every(([database, keys]) => found[database] === keys)))
  return checkOf(component)(
    'counts-written-down',
    isSame,
    keysInWords(dump.keys, held),
    keysInWords(listing.keys, found),
  )
}

/**
 * ISO 8601: the earlier of what is written about a dump and what it says itself. An old dump that was copied is new
 * only in the store. Pure.
 */
export const currentAt = ({ takenAt }: CataloguedDump, { writtenAt }: RdbListing): string =>
  writtenAt !== null && Date.parse(writtenAt) < Date.parse(takenAt) ? writtenAt : takenAt
