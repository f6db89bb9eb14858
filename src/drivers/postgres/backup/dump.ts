import { createHash, randomBytes } from 'node:crypto'
import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { SshResult } from '../../../clients/ssh.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { HOSTS } from '../../../platform/hosts/client.ts'
import { countsOf } from '../../../systems/postgres/count-rows.ts'
import { FIELD_END } from '../../../systems/postgres/psql-answer.ts'
import { extensionsIn, factsIn } from '../../../systems/postgres/restore-manifest.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { lastWords } from '../../../values/last-words.ts'
import { stampOf } from '../../../values/stamp.ts'
import { codes } from '../codes.ts'
import { type DatabaseRun, siteOf } from '../run.ts'
import { byHandDump } from '../runbook.ts'
import { type Database, dumpsOf, type PostgresSpec, portOf, serverName, siteSpecOf } from '../spec.ts'
import { type DumpDescription, folderOf, type Part, readDescription } from './catalogue.ts'
import { contentsQuery } from './restore-test.ts'

/** `machine`: among the hosts of the step's site. */
export type TakeDump = { readonly machine: string }
type DumpRun = DatabaseRun<TakeDump>

/** A dump now, by the machine that is declared for this site; none where others take them. Pure. */
export function backupSteps(component: Database, site: SiteName): DriverStep[] {
  const machine = component.spec.dumps?.takenOn?.[site]
  if (machine === undefined) return []
  return [
    planStep(dump, site, {
      phase: 'PROTECT',
      title: `Dumps ${component.spec.database} of ${serverName(component, site)} on ${machine}`,
      deadline: minutes(60),
      expected: seconds(10),
      parameters: { machine },
    }),
  ]
}

const behaviour: Plain<PostgresSpec, TakeDump, Proof> = {
  is: 'plain',
  async done(run): Promise<Seen<Proof, never>> {
    const store = await run.context.objectStore(dumpsOf(run.component).store, siteOf(run)).open('read')
    const found = await readDescription(store, descriptionKey(run), run.signal)
    if (found === null) return { is: 'pending', waitingFor: 'the dump' }
    const bytes = found.parts.reduce((sum, part) => sum + part.bytes, 0)
    return { is: 'done', proof: { details: { dump: descriptionKey(run), bytes, counts: found.counts } } }
  },
  async apply(run) {
    const store = await run.context.objectStore(dumpsOf(run.component).store, siteOf(run)).open('write')
    const taken = await takeDump(run)
    try {
      await storeDump(run, taken, store)
    } finally {
      await onMachine(run, `rm -rf ${quoted(taken.directory)}`).catch((error: unknown) =>
        run.context.log.warning(`${run.step.id}: ${taken.directory} is left behind: ${asStandbyError(error).message}`),
      )
    }
  },
  back: { is: 'leaves-nothing', because: 'one more dump in the object store hurts no move' },
}

export const dump: Action<PostgresSpec, TakeDump> = {
  name: 'dump',
  parameters: parametersOf<TakeDump>({ machine: TEXT }),
  behaviour,
  byHand: byHandDump,
}

/** One name per beginning of the step, so that a second process finds the dump of the first. */
const descriptionKey = (run: DumpRun): string => `${folderOf(dumpsOf(run.component))}${stampOf(run.begunAt)}.json`

const onMachine = (run: DumpRun, script: string, stdin = '', deadline = minutes(1)): Promise<SshResult> =>
  run.context.platform(HOSTS, siteOf(run)).run(run.step.parameters.machine, script, {
    stdin,
    deadline,
    signal: run.signal,
  })

/** A dump that lies on the machine, and what was counted in its very snapshot. */
interface Taken {
  /** Absolute, of this dump alone. */
  readonly directory: string
  readonly bytes: number
  readonly described: Omit<DumpDescription, 'schemaVersion' | 'parts'>
}

/** Throws `database-dump-failed`. */
async function takeDump(run: DumpRun): Promise<Taken> {
  const { component, context } = run
  const { spec } = component
  const { tables, as } = dumpsOf(component)
  const [password, authority] = await Promise.all([
    context.credential(as?.password ?? spec.password),
    spec.authority === undefined ? '' : context.credential(spec.authority),
  ])
  // Secrets are no argument and in no file: they come on stdin, a line each.
  const input = [password, authority, questions(tables)].map((text) => Buffer.from(text).toString('base64'))
  const takenAt = context.clock.now().toISOString()
  const { code, stdout, stderr } = await onMachine(
    run,
    scriptOf(component, siteOf(run)),
    `${input.join('\n')}\n`,
    LONGEST,
  )
  const [head = '', ...lines] = stdout.split('\n').filter((line) => line !== '')
  const [, bytes, directory] = /^dump (\d+) (\/.+)$/.exec(head) ?? []
  if (code !== 0 || directory === undefined)
    throw codes.error(
      'database-dump-failed',
      `no dump of ${serverName(component, siteOf(run))} was taken on ${run.step.parameters.machine}: ${lastWords(stderr)}`,
      {
        retry: 'never',
        where: `${siteOf(run)} ${run.step.parameters.machine}`,
        next: 'psql and pg_dump must be there, not older than the server, reach it, and their role read all tables (pg_read_all_data).',
      },
    )
  const rows = lines.map((line) => line.split(FIELD_END))
  const fact = factsIn(rows)
  return {
    directory,
    bytes: Number(bytes),
    described: {
      takenAt,
      database: spec.database,
      systemId: fact('systemId'),
      serverVersion: Number(fact('version')),
      counts: countsOf(rows),
      extensions: extensionsIn(rows),
    },
  }
}
/** Within the deadline of the step, and within the longest call of ssh. */
const LONGEST = minutes(50)

/**
 * What psql does: one snapshot, in which it counts, and which pg_dump takes over while this transaction holds it. Its
 * exit code is kept in a file, because psql does not end with it.
 */
const questions = (tables: readonly string[]): string => `SET idle_in_transaction_session_timeout = 0;
SET statement_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv STANDBY_SNAPSHOT :snapshot
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'version', current_setting('server_version_num');
${contentsQuery(tables)}
\\! pg_dump --format=custom --no-password --snapshot="$STANDBY_SNAPSHOT" --file="$STANDBY_DUMP"; echo $? >"$STANDBY_DUMP.code"
COMMIT;
`

/** Takes the dump into a folder of its own, and removes those of dumps that ended a day ago. */
function scriptOf(component: Database, site: SiteName): string {
  const { database, user, tls } = component.spec
  const { as, directory = '/var/tmp' } = dumpsOf(component)
  const name = `standby-dump-${component.name}`
  const place = {
    PGHOST: siteSpecOf(component, site).host,
    PGPORT: String(portOf(component, site)),
    PGDATABASE: database,
    PGUSER: as?.user ?? user,
    PGSSLMODE: tls === 'off' ? 'disable' : 'verify-full',
    PGCONNECT_TIMEOUT: '10',
    PGAPPNAME: 'standby',
    // The scratch server of a restore test keeps UTF-8.
    PGCLIENTENCODING: 'UTF8',
    LC_ALL: 'C',
    TZ: 'UTC',
  }
  const settings = Object.entries(place).map(([variable, value]) => `${variable}=${quoted(value)}`)
  return `set -eu; umask 077
IFS= read -r password; IFS= read -r authority; IFS= read -r questions
find ${directory} -maxdepth 1 -name '${name}.??????' -user "$(id -un)" -mmin +1440 -exec rm -rf {} + 2>/dev/null || :
here=$(mktemp -d ${directory}/${name}.XXXXXX)
trap 'code=$?; [ $code = 0 ] || rm -rf "$here"' EXIT
export ${settings.join(' ')}
export PGPASSWORD="$(printf %s "$password" | base64 -d)" STANDBY_DUMP="$here/dump"
if [ -n "$authority" ]; then printf %s "$authority" | base64 -d >"$here/authority.pem"; PGSSLROOTCERT="$here/authority.pem"
else PGSSLROOTCERT=/etc/ssl/certs/ca-certificates.crt; [ -f "$PGSSLROOTCERT" ] || PGSSLROOTCERT=/etc/pki/tls/certs/ca-bundle.crt; fi
export PGSSLROOTCERT
printf %s "$questions" | base64 -d >"$here/questions"
psql -X -q -A -t -w -F "$(printf '\\037')" -v ON_ERROR_STOP=1 -f "$here/questions" >"$here/said" </dev/null
[ "$(cat "$here/dump.code")" = 0 ]
echo "dump $(stat -c %s "$here/dump") $here"
cat "$here/said"`
}

/** Carries the dump into the store part by part, and describes it last. */
async function storeDump(run: DumpRun, taken: Taken, store: ObjectStoreClient): Promise<void> {
  const folder = folderOf(dumpsOf(run.component))
  // Another process may store a dump of the same step at the same time: the parts of two never mix.
  const own = `${stampOf(run.begunAt)}-${randomBytes(4).toString('hex')}`
  const parts: Part[] = []
  for (let at = 0; at * PART < taken.bytes; at++) {
    const content = await partOf(run, taken, at)
    const key = `${own}/${String(at).padStart(5, '0')}`
    await store.put(`${folder}${key}`, content, { signal: run.signal, deadline: minutes(2) })
    parts.push({ key, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') })
  }
  const description: DumpDescription = { schemaVersion: 1, ...taken.described, parts }
  try {
    await store.put(descriptionKey(run), `${JSON.stringify(description, null, 2)}\n`, {
      signal: run.signal,
      condition: { ifAbsent: true },
      contentType: 'application/json',
    })
  } catch (error) {
    // An earlier process of this step was faster, and its dump is complete.
    if (asStandbyError(error).code !== 'object-store-precondition') throw error
  }
}

/** Bytes; in base64 it is less than what one call of ssh keeps of an output (16 MiB). */
const PART = 8 * 1024 * 1024

async function partOf(run: DumpRun, { directory, bytes }: Taken, at: number): Promise<Buffer> {
  const script = `dd if=${quoted(`${directory}/dump`)} bs=1048576 skip=${at * 8} count=8 status=none | base64 -w 0`
  const { code, stdout, stderr } = await onMachine(run, script, '', minutes(2))
  const content = Buffer.from(stdout, 'base64')
  if (code === 0 && content.length === Math.min(PART, bytes - at * PART)) return content
  throw codes.error('database-dump-failed', `part ${at} of the dump could not be read: ${lastWords(stderr)}`, {
    retry: 'transient',
    where: `${siteOf(run)} ${run.step.parameters.machine}`,
  })
}
