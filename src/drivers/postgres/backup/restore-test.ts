import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { sandboxStuck } from '../../../platform/hosts/sandbox-stuck.ts'
import { countQuery, countsOf } from '../../../systems/postgres/count-rows.ts'
import { judgeAge, judgeContents, judgeDuration } from '../../../systems/postgres/judge-restored.ts'
import { extensionsIn, factsIn } from '../../../systems/postgres/restore-manifest.ts'
import type { RestoredFacts } from '../../../systems/postgres/restored-facts.ts'
import { lastWords } from '../../../values/last-words.ts'
import { lookAt } from '../ask.ts'
import { type Database, dumpsOf } from '../spec.ts'
import { type Dumps, dumpsIn, folderOf, type StoredDump } from './catalogue.ts'
import { type DumpListing, listingIn } from './dump-listing.ts'
import { currentAt, judgeFetched, judgeManifest, judgeOrigin, judgeStored, judgeWritable } from './judge-dump.ts'
import { askScratch, SCRATCH, type ScratchServer, scratchServer, startScratch } from './scratch-server.ts'

/**
 * Restores the newest dump into a scratch server in the sandbox of hosts, and judges the copy. Throws where the sandbox
 * is the trouble, and not the dump (`sandbox-stuck`, and what the sandbox throws).
 */
export async function testRestore(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const declared = dumpsOf(component)
  const { location, open } = context.objectStore(declared.store, source)
  const store = await open('read')
  const dumps = await newestOrDamage(store, folderOf(declared), context.signal)
  if (typeof dumps === 'string')
    return nothingRestored({ name: '', takenAt: context.clock.now().toISOString(), bytes: null }, [
      failed(component, 'has-backup', `a complete dump in ${folderOf(declared)}`, dumps),
    ])
  const { newest } = dumps
  const bytes = newest.parts.reduce((sum, { storedBytes }) => sum + (storedBytes ?? 0), 0)
  const backup = { name: newest.name, takenAt: newest.takenAt, bytes }
  const stored = judgeStored(component, newest)
  if (stored.outcome !== 'pass') return nothingRestored(backup, [stored])
  const begun = context.clock.now().getTime()
  const server = await scratchServer(component, sandbox, context)
  const fetched = await fetchDump(component, newest, server, { store, sandbox, authorities: location.authorities })
  const unchanged = judgeFetched(component, newest, fetched)
  const seen = unchanged === null ? [stored] : [stored, unchanged]
  if (unchanged !== null && unchanged.outcome !== 'pass') return nothingRestored(backup, seen)
  const loaded = await loadDump(component, newest, server, sandbox)
  const restoreDuration = context.clock.now().getTime() - begun
  if (typeof loaded === 'string')
    return {
      ...nothingRestored(backup, [...seen, failed(component, 'restores', 'a restore that ends', loaded)]),
      restoreDuration,
    }
  const tables = [...new Set([...declared.tables, ...Object.keys(dumps.manifest?.counts ?? {})])]
  const facts = await factsOf(component, server, tables)
  const takenAt = currentAt(newest, loaded)
  const { objectives } = context.stack
  return {
    backup: { id: newest.name, takenAt, bytes },
    restoreDuration,
    checks: [
      ...seen,
      ...judgeManifest(component, dumps),
      judgeWritable(component, facts),
      judgeOrigin(
        component,
        { database: component.spec.database, systemId: await systemIdAt(component, source, context) },
        newest,
        loaded,
      ),
      ...judgeContents(component, dumps.manifest, facts, newest.description === null ? 'at-least' : 'exactly'),
      judgeAge(component, takenAt, context.clock.now(), objectives.backupAge),
      judgeDuration(component, restoreDuration, objectives.restoreTime),
    ],
    endpoint: {
      kind: 'postgres',
      host: SCRATCH.host,
      port: server.port,
      database: component.spec.database,
      user: SCRATCH.user,
      credentials: { name: component.name, keys: { password: 'password' } },
    },
  }
}

/** The dumps; a text: what is wrong with the description by which the newest one would be restored, or that none is. */
async function newestOrDamage(
  store: ObjectStoreClient,
  folder: string,
  signal: AbortSignal,
): Promise<(Dumps & { readonly newest: StoredDump }) | string> {
  try {
    const { newest, manifest } = await dumpsIn(store, folder, signal)
    return newest === null ? 'none' : { newest, manifest }
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.code !== 'database-dump-damaged') throw error
    return reason.message
  }
}

function nothingRestored(
  { name, takenAt, bytes }: { readonly name: string; readonly takenAt: string; readonly bytes: number | null },
  checks: readonly Check[],
): RestoreTestReport {
  return { backup: { id: name, takenAt, bytes }, checks, restoreDuration: 0 }
}

const failed = ({ name }: Database, id: string, expected: string, found: string): Check => ({
  id,
  component: name,
  outcome: 'fail',
  expected,
  found,
})

/**
 * Brings the parts into the sandbox, joined as one file: the checksum of each. The sandbox gets addresses that read
 * these objects for a while, and no key of the store.
 */
async function fetchDump(
  component: Database,
  { parts }: StoredDump,
  server: ScratchServer,
  from: {
    readonly store: ObjectStoreClient
    readonly sandbox: Sandbox
    readonly authorities: string | undefined
  },
): Promise<string[]> {
  const { store, sandbox, authorities } = from
  if (authorities !== undefined) await server.box.put(`${component.name}/authorities.pem`, authorities)
  const urls = await Promise.all(parts.map(({ key }) => store.presignedGet(key, sandbox.deadline)))
  const config = [
    ...['fail', 'fail-early', 'silent', 'show-error', 'create-dirs', 'retry = 3'],
    ...(authorities === undefined ? [] : ['cacert = "authorities.pem"']),
    ...urls.flatMap((url, index) => [`url = "${url}"`, `output = "parts/${String(index).padStart(6, '0')}"`]),
  ]
  const { code, stdout, stderr } = await server.run(FETCH, [], {
    stdin: `${config.join('\n')}\n`,
    network: 'host',
    within: sandbox.deadline,
  })
  if (code !== 0) throw sandboxStuck(server.box, 'the dump could not be fetched by curl', stderr)
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.slice(0, 64))
}
const FETCH = `curl --config -
cd parts; sha256sum -- *
cd ..; cat parts/* >dump; rm -r parts`

/** Makes a scratch server of the dump: what the dump says of itself, or why it cannot be restored. */
async function loadDump(
  component: Database,
  dump: StoredDump,
  server: ScratchServer,
  sandbox: Sandbox,
): Promise<DumpListing | string> {
  const { major } = await startScratch(component, server)
  await refuseUnsuited(dump, server, major)
  const listed = await server.run('exec "$programs/pg_restore" --list dump')
  if (listed.code !== 0) return lastWords(listed.stderr)
  const { database } = component.spec
  const how = { within: sandbox.deadline }
  const created = await server.run('[ "$1" = postgres ] || exec "$programs/createdb" -T template0 "$1"', [database])
  if (created.code !== 0) throw sandboxStuck(server.box, `the database ${database} could not be made`, created.stderr)
  try {
    const loaded = await server.run(LOAD, [database], how)
    return loaded.code === 0 ? listingIn(listed.stdout) : lastWords(loaded.stderr)
  } catch (error) {
    const { code, message } = asStandbyError(error)
    if (code !== 'process-timeout') throw error
    return message
  }
}
/** Owners and grants name roles that only the original has. */
const LOAD =
  'exec "$programs/pg_restore" --no-owner --no-privileges --no-tablespaces --exit-on-error --dbname="$1" dump'

/** An older PostgreSQL, or one without an extension, says nothing about the dump. */
async function refuseUnsuited({ description }: StoredDump, server: ScratchServer, major: number): Promise<void> {
  if (description === null) return
  const wanted = Math.floor(description.serverVersion / 10_000)
  if (major < wanted)
    throw siteError('sandbox-stuck', `${server.box.machine} has PostgreSQL ${major}, and the dump is of ${wanted}`, {
      where: server.box.machine,
      next: `Install the server programs of PostgreSQL ${wanted} there.`,
    })
  const answer = await askScratch(server, 'postgres', 'SELECT name FROM pg_available_extensions')
  const available = answer.is === 'rows' ? answer.rows.map(([name]) => name) : []
  const missing = description.extensions.filter((one) => !available.includes(one))
  if (missing.length > 0)
    throw siteError('sandbox-stuck', `${server.box.machine} lacks extensions of the database: ${missing.join(', ')}`, {
      where: server.box.machine,
      next: 'Install their packages there, and test again.',
    })
}

async function factsOf(
  component: Database,
  server: ScratchServer,
  tables: readonly string[],
): Promise<Pick<RestoredFacts, 'inRecovery' | 'counts' | 'extensions'>> {
  const answer = await askScratch(server, component.spec.database, contentsQuery(tables))
  if (answer.is === 'refused') throw sandboxStuck(server.box, 'the restored copy does not answer', answer.text)
  return {
    inRecovery: factsIn(answer.rows)('inRecovery') !== 'false',
    counts: countsOf(answer.rows),
    extensions: extensionsIn(answer.rows),
  }
}

/** SQL whose rows `factsIn`, `countsOf` and `extensionsIn` read: of a database, or of its restored copy. */
export const contentsQuery = (tables: readonly string[]): string =>
  `SELECT 'fact', 'inRecovery', pg_is_in_recovery()::text;
SELECT 'extension', extname, '' FROM pg_extension ORDER BY extname;
${countQuery(tables)}`

/** null where the server does not answer: a restore test serves a lost site as well. */
async function systemIdAt(component: Database, source: SiteName, context: DriverContext): Promise<string | null> {
  const looked = await lookAt(component, source, { context, signal: context.signal })
  return looked.is === 'seen' ? looked.server.systemId : null
}

/** Rows of a query on the restored copy. Throws `sql-failed`. */
export async function askRestored(
  component: Database,
  sandbox: Sandbox,
  query: string,
  context: DriverContext,
): Promise<readonly (readonly string[])[]> {
  const server = await scratchServer(component, sandbox, context)
  const answer = await askScratch(server, component.spec.database, query)
  if (answer.is === 'rows') return answer.rows
  throw siteError('sql-failed', `the restored copy of ${component.name} refuses a query: ${answer.text}`, {
    retry: 'never',
    where: `${server.box.machine} ${server.directory}`,
  })
}
