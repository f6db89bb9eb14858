import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { fetchIntoSandbox } from '../../../platform/hosts/fetch-into-sandbox.ts'
import { type CataloguedDump, keyOf, newestOrDamage } from '../../../systems/redis/catalogue.ts'
import { checkOf, judgeAge, judgeKeys, judgeLoading, judgeSize } from '../../../systems/redis/judge-loaded.ts'
import { loadedKeysIn } from '../../../systems/redis/loaded-keys.ts'
import { lastWords } from '../../../values/last-words.ts'
import { dumpFolder, dumpsOf, type Group } from '../spec.ts'
import { currentAt, judgeCounts, judgeOrigin, judgeUnchanged } from './judge-dump.ts'
import { LIST_RDB, type RdbListing, rdbListingIn } from './rdb-listing.ts'
import { infoOf, loadDump, type ScratchRedis, scratchRedis, versionOf } from './scratch-redis.ts'

/**
 * Loads the newest dump into a scratch Redis in the sandbox of hosts, and judges the copy. Throws where the sandbox is
 * the trouble, and not the dump (`sandbox-stuck`, and what the sandbox throws).
 */
export async function testRestore(
  component: Group,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const { location, open } = context.objectStore(dumpsOf(component).store, source)
  const store = await open('read')
  const dump = await newestOrDamage(store, dumpFolder(component), context.signal)
  if (dump === null || typeof dump === 'string')
    return {
      backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null },
      checks: [checkOf(component)('has-backup', false, 'a complete dump', dump ?? 'none')],
      restoreDuration: 0,
    }
  const ended = (checks: readonly Check[], takenAt = dump.takenAt, restoreDuration = 0): RestoreTestReport => ({
    backup: { id: dump.name, takenAt, bytes: dump.bytes },
    checks,
    restoreDuration,
  })
  const size = judgeSize(component, dump)
  if (size.outcome !== 'pass') return ended([size])
  const begun = context.clock.now().getTime()
  const server = await scratchRedis(component, sandbox, context)
  const sha256 = await fetchIntoSandbox(server, {
    ...{ store, sandbox, authorities: location.authorities },
    ...{ key: keyOf(dump), folder: component.name, file: 'dump.rdb', what: 'dump' },
  })
  const stored = [size, judgeUnchanged(component, dump, sha256)]
  if (dump.sha256 !== sha256) return ended(stored)
  const listing = await listingOf(server)
  if (typeof listing === 'string') return ended([...stored, await judgeFailure(component, dump, server, listing)])
  const takenAt = currentAt(dump, listing)
  const described = [...stored, judgeOrigin(component, dump, listing), judgeCounts(component, dump, listing)]
  const failure = await loadDump(component, server, { sandbox, databases: databasesFor(listing) })
  const restoreDuration = context.clock.now().getTime() - begun
  const age = judgeAge(component, takenAt, context.clock.now(), context.stack.objectives.backupAge)
  if (failure !== null)
    return ended([...described, await judgeFailure(component, dump, server, failure), age], takenAt, restoreDuration)
  const loaded = loadedKeysIn(await infoOf(server))
  return {
    ...ended(
      [...described, judgeLoading(component, null), judgeKeys(component, dump, loaded), age],
      takenAt,
      restoreDuration,
    ),
    endpoint: { kind: 'redis', host: '127.0.0.1', port: server.port, credentials: null },
  }
}

/** What the fetched file says of itself; a text: why it is not whole. */
async function listingOf(server: ScratchRedis): Promise<RdbListing | string> {
  const { stdout, stderr } = await server.run(`${LIST_RDB}\nlist dump.rdb said`)
  return rdbListingIn(stdout) ?? lastWords(stderr)
}

/** Why it does not load. An older Redis proves nothing about the dump of a newer one: throws `sandbox-stuck` then. */
async function judgeFailure(
  component: Group,
  { redisVersion }: CataloguedDump,
  server: ScratchRedis,
  why: string,
): Promise<Check> {
  const version = await versionOf(server)
  if (!isOlder(version, redisVersion)) return judgeLoading(component, why)
  const { machine } = server.box
  throw siteError('sandbox-stuck', `${machine} has Redis ${version}, and the dump is of ${redisVersion}: ${why}`, {
    where: machine,
    next: `Install Redis ${redisVersion} there.`,
  })
}

/** By the first two numbers: the format of a dump changes with them. Pure. */
export function isOlder(version: string, than: string): boolean {
  const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = [version, than].map((one) =>
    one.split('.').map(Number),
  ) as [number[], number[]]
  return major < otherMajor || (major === otherMajor && minor < otherMinor)
}

/** A Redis refuses a dump with more logical databases than it has. */
const databasesFor = ({ databases }: RdbListing): number =>
  Math.max(16, ...Object.keys(databases ?? {}).map((number) => Number(number) + 1))
