import { randomBytes } from 'node:crypto'
import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { SshResult } from '../../../clients/ssh.ts'
import type { Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { HOSTS } from '../../../platform/hosts/client.ts'
import { type CataloguedDump, type DumpDescription, readDump } from '../../../systems/redis/catalogue.ts'
import { databasesOf, keysInWords } from '../../../systems/redis/count-keys.ts'
import { infoFields } from '../../../systems/redis/info.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { lastWords } from '../../../values/last-words.ts'
import { stampOf } from '../../../values/stamp.ts'
import { codes } from '../codes.ts'
import { askingOf, type GroupRun, redisAtSite, redisOfRun, siteOf } from '../run.ts'
import { dumpFolder, dumpsOf, type Group, groupNamed, type RedisSentinelSpec, redisOf } from '../spec.ts'
import { ask, clientCommand, passwordOf } from '../wire.ts'
import { dumpByHand } from './by-hand.ts'
import { dumpSourceIn } from './dump-source.ts'
import type { TakeDump } from './parameters.ts'
import { LIST_RDB, type RdbListing, rdbListingIn } from './rdb-listing.ts'
import { removeOldDumps } from './remove-old-dumps.ts'

type DumpRun = GroupRun<TakeDump>

/** The step that takes a dump, of the Redis that is best when it begins; none where no dumps are declared. Pure. */
export const dumpSteps = (component: Group, site: SiteName, phase: Phase): DriverStep[] =>
  component.spec.dumps === undefined
    ? []
    : [
        planStep(dump, site, {
          phase,
          title: `Takes a dump of ${groupNamed(component, site)}, from a replica where one is connected`,
          deadline: minutes(60),
          expected: seconds(8),
          parameters: { folder: dumpFolder(component) },
        }),
      ]

const behaviour: Plain<RedisSentinelSpec, TakeDump, Proof> = {
  is: 'plain',
  async done(run): Promise<Seen<Proof, never>> {
    const store = await run.context.objectStore(dumpsOf(run.component).store, siteOf(run)).open('read')
    const found = await readDump(store, nameOf(run), run.signal)
    return found === null ? { is: 'pending', waitingFor: 'the dump' } : { is: 'done', proof: proofOf(found) }
  },
  async apply(run) {
    const store = await run.context.objectStore(dumpsOf(run.component).store, siteOf(run)).open('write')
    const taken = await takeDump(run)
    try {
      await storeDump(run, taken, store)
    } finally {
      await onHost(run, taken.host, `rm -rf ${quoted(taken.directory)}`).catch((error: unknown) =>
        run.context.log.warning(`${run.step.id}: ${taken.directory} is left behind: ${asStandbyError(error).message}`),
      )
    }
    await removeOldDumps(run.component, store, run.context, run.signal)
  },
  back: { is: 'leaves-nothing', because: 'one more dump in the object store is removed after its retention' },
}

export const dump: Action<RedisSentinelSpec, TakeDump> = {
  name: 'dump',
  parameters: parametersOf<TakeDump>({ folder: TEXT }),
  behaviour,
  byHand: dumpByHand,
}

const proofOf = ({ name, bytes, keys, takenAt, origin, ...held }: CataloguedDump): Proof => ({
  details: {
    dump: name,
    takenAt,
    bytes,
    keys: keysInWords(keys, databasesOf({ keys, ...held })),
    server: origin?.server ?? '',
  },
})

/** One name per beginning of the step, so that a second process finds the dump of the first. */
const nameOf = (run: DumpRun): string => `${run.step.parameters.folder}${stampOf(run.begunAt)}`

const onHost = (run: DumpRun, host: string, script: string, stdin = '', deadline = minutes(1)): Promise<SshResult> =>
  run.context.platform(HOSTS, siteOf(run)).run(host, script, { stdin, deadline, signal: run.signal })

/** A dump that lies on a host, whole, with what was counted in it. */
interface Taken {
  readonly host: string
  /** Absolute, of this dump alone. */
  readonly directory: string
  /** Base64, as HTTP has it. */
  readonly md5: string
  readonly described: Omit<DumpDescription, 'schemaVersion' | 'file'>
}

/** Throws `dump-failed`. */
async function takeDump(run: DumpRun): Promise<Taken> {
  const { component, context, signal } = run
  const site = siteOf(run)
  const source = dumpSourceIn(component, site, { redis: await redisAtSite(run, site) })
  if (source === null)
    throw codes.error('dump-failed', `${groupNamed(component, site)} has neither a connected replica nor a master`, {
      retry: 'transient',
      where: site,
      next: `Look at Redis on ${site}.`,
    })
  const [name, server] = source
  const { host, address } = redisOf(component, site, name)
  const where = `${site} ${host} (${name})`
  const about = await ask(component, { kind: 'redis', site, name }, [['INFO', 'memory']], askingOf(run))
  const login = dumpsOf(component).as ?? component.spec.redis
  const password = await passwordOf(login, { site }, context)
  // A replica has what its master had when it last heard of it.
  const takenAt = new Date(context.clock.now().getTime() - (server.heardAgo ?? 0) * 1_000).toISOString()
  const client = `${clientCommand(component, redisOf(component, site, name), login)} --no-auth-warning`
  const script = dumpScript(component, client, password !== null)
  const { code, stdout, stderr } = await onHost(run, host, script, password === null ? '' : `${password}\n`, LONGEST)
  const listing = rdbListingIn(stdout)
  const said = infoFields(stdout)
  const [directory, bytes, sha256, md5] = ['directory', 'bytes', 'sha256', 'md5'].map((field) => said.get(field))
  if (code !== 0 || listing === null || directory === undefined || sha256 === undefined || md5 === undefined)
    throw codes.error('dump-failed', `no dump of ${name} was taken on ${host}: ${lastWords(stderr)}`, {
      retry: 'never',
      where,
      next: 'redis-cli and redis-check-rdb must be there, and the login may run SYNC and REPLCONF (+sync +replconf).',
    })
  signal.throwIfAborted()
  // Read after the dump: a master that never had a replica begins a new history with the first dump (syncCommand).
  if (listing.history !== (await redisOfRun(run, site, name)).history)
    throw codes.error('dump-failed', `Sentinel moved the master while ${name} was dumped`, {
      retry: 'transient',
      where,
      next: 'Take the dump again.',
    })
  return {
    host,
    directory,
    md5,
    described: {
      takenAt,
      site,
      ...heldIn(listing),
      libraries: Number(infoFields(about[0] ?? '').get('number_of_libraries') ?? 0),
      bytes: Number(bytes),
      sha256,
      redisVersion: server.version,
      rdbVersion: listing.rdbVersion,
      runId: server.runId,
      offset: listing.offset,
      origin: { group: component.spec.group, server: address, history: listing.history },
    },
  }
}
const heldIn = ({ keys, expired, databases }: RdbListing) => ({
  keys,
  expired,
  ...(databases === null ? {} : { databases }),
})

/** Shorter than the deadline of the step, and than the longest call of ssh. */
const LONGEST = minutes(25)

/**
 * Takes the dump into a folder of its own, as a replica gets it, and removes folders of dumps that ended a day ago. The
 * password is the first line of standard input.
 */
function dumpScript(component: Group, client: string, hasPassword: boolean): string {
  const { directory = '/var/tmp' } = dumpsOf(component)
  const name = `standby-dump-${component.name}`
  return `set -eu; umask 077; export LC_ALL=C
${hasPassword ? 'IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH' : ''}
${LIST_RDB}
find ${directory} -maxdepth 1 -name '${name}.??????' -user "$(id -un)" -mmin +1440 -exec rm -rf {} + 2>/dev/null || :
here=$(mktemp -d ${directory}/${name}.XXXXXX)
trap 'code=$?; [ $code = 0 ] || rm -rf "$here"' EXIT
${client} --rdb "$here/dump.rdb" >"$here/log" 2>&1 </dev/null || { tail -n 3 "$here/log" >&2; exit 1; }
list "$here/dump.rdb" "$here/said"
echo "directory:$here"
echo "bytes:$(wc -c <"$here/dump.rdb" | tr -d ' ')"
echo "sha256:$(sha256sum "$here/dump.rdb" | cut -d ' ' -f 1)"
echo "md5:$(md5sum "$here/dump.rdb" | cut -d ' ' -f 1)"`
}

/**
 * The host stores the dump itself, by an address that takes this content and nothing else: no key of the store is
 * there, and the dump passes through no memory of the runner. Its description comes last.
 */
async function storeDump(run: DumpRun, taken: Taken, store: ObjectStoreClient): Promise<void> {
  const { host, directory, described } = taken
  const { location } = run.context.objectStore(dumpsOf(run.component).store, siteOf(run))
  // Another process may store a dump of the same step at the same time: the files of two never mix.
  const file = `${stampOf(run.begunAt)}-${randomBytes(4).toString('hex')}.rdb`
  const md5 = Buffer.from(taken.md5, 'hex').toString('base64')
  const url = await store.presignedPut(`${run.step.parameters.folder}${file}`, md5, minutes(30))
  const request = [
    ...[`url = "${url}"`, `upload-file = "${directory}/dump.rdb"`, `header = "Content-MD5: ${md5}"`],
    ...['silent', 'show-error', 'connect-timeout = 10', 'max-time = 1400', 'retry = 3'],
    ...[`output = "${directory}/answer"`, 'write-out = "%{http_code}"'],
    ...(location.authorities === undefined ? [] : [`cacert = "${directory}/authorities.pem"`]),
  ]
  const input = [location.authorities ?? '', `${request.join('\n')}\n`].map((one) =>
    Buffer.from(one).toString('base64'),
  )
  const { code, stderr } = await onHost(run, host, storeScript(directory), `${input.join('\n')}\n`, LONGEST)
  if (code !== 0)
    throw codes.error('dump-failed', `the dump on ${host} could not be stored: ${lastWords(stderr)}`, {
      retry: 'transient',
      where: `${siteOf(run)} ${host}`,
      next: `${host} must have curl, and reach the object store at ${location.endpoint}.`,
    })
  const description: DumpDescription = { schemaVersion: 1, ...described, file }
  try {
    await store.put(`${nameOf(run)}.json`, `${JSON.stringify(description, null, 2)}\n`, {
      signal: run.signal,
      condition: { ifAbsent: true },
      contentType: 'application/json',
    })
  } catch (error) {
    // An earlier process of this step was faster, and its dump is complete.
    if (asStandbyError(error).code !== 'object-store-precondition') throw error
  }
}

const storeScript = (directory: string): string => `set -eu; umask 077
here=${quoted(directory)}
IFS= read -r authorities; IFS= read -r request
printf %s "$authorities" | base64 -d >"$here/authorities.pem"
code=$(printf %s "$request" | base64 -d | curl --config -)
case $code in 2*) ;; *) echo "the object store answers $code: $(head -c 300 "$here/answer" 2>/dev/null)" >&2; exit 1 ;; esac`
