import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { FLAG, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { changedRows, ROWS_FILE } from '../../../systems/postgres/changed-rows.ts'
import { endOf } from '../../../systems/postgres/control-data.ts'
import { decodeDivergence } from '../../../systems/postgres/decode-divergence.ts'
import { describeDivergence, divergentSegments } from '../../../systems/postgres/describe-divergence.ts'
import { foundLoss } from '../../../systems/postgres/found-loss.ts'
import { tableNamesQuery, userTables } from '../../../systems/postgres/tables-by-file.ts'
import { type Fork, forkBetween, forkFrom, forksInFile } from '../../../systems/postgres/timeline-history.ts'
import { historyName } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { parseStrictly } from '../../../values/strict-json.ts'
import { codes } from '../codes.ts'
import { fence, formerPrimary, hostNamesOf } from '../failover/fence.ts'
import { forksOf } from '../history.ts'
import { hostOf, hostsOf, type MemberHost } from '../host.ts'
import { writerIn } from '../observe.ts'
import { type DatabaseRun, membersAt, readStoreOf, siteOf } from '../run.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'

/** What exists only on the former active site is kept, and named, before it is rewound or made anew. */
export function keepEvidenceStep(component: Database, { from, to }: Intent, parted: boolean): DriverStep<KeepEvidence> {
  return planStep(keepEvidence, to, {
    phase: 'FINAL_SYNC',
    needs: [stepOf(component, fence, to)],
    title: `Copies the WAL that only ${clusterNamed(component, to)} has into ${evidenceOf(component)} on its host, and counts the committed rows in it per table`,
    deadline: minutes(15),
    expected: seconds(5),
    parameters: { active: from, parted },
  })
}

type KeepEvidence = {
  /** The site that took over. */
  readonly active: string
  /** Its history parted from the active one, or may have: also a server that is a standby by now may hold such rows. */
  readonly parted: boolean
}
/** The description in `evidence.json`, field by field, and these. */
interface Kept extends Proof {
  /** Host and folder. */
  readonly kept: string
  /** What reports show beside the loss of the failover. */
  readonly found: JsonObject
}
type Run = DatabaseRun<KeepEvidence>

const evidenceOf = ({ spec }: Database): string => spec.server.evidence ?? '/var/lib/postgresql/standby-evidence'

const behaviour: Plain<PatroniSpec, KeepEvidence, Kept> = {
  is: 'plain',
  async done(run: Run): Promise<Seen<Kept, never>> {
    const former = await formerOf(run)
    const pending = {
      is: 'pending',
      waitingFor: `the WAL of ${clusterNamed(run.component, siteOf(run))} to be kept`,
    } as const
    if (former === null) return { is: 'done', proof: NOTHING }
    const answer = await former.host.shell('cat "$0"', [`${folderOf(run)}/evidence.json`], seconds(30))
    const parsed = answer.code === 0 ? parseStrictly(answer.stdout) : null
    // A text that is no description was not written by a step that ended: it is written anew.
    if (parsed === null || !('value' in parsed) || !isObject(parsed.value)) return pending
    const kept = `${former.host.where} ${folderOf(run)}`
    return { is: 'done', proof: { ...parsed.value, kept, found: foundLoss(parsed.value, kept) } }
  },

  /** Writes the description last: by then everything that could be kept is there. */
  async apply(run: Run) {
    const former = await formerOf(run)
    if (former === null) return
    const { host, name, control } = former
    const folder = folderOf(run)
    const own = await ownHistory(host, control.timeline)
    const { history } = await readStoreOf(run, run.step.parameters.active)
    const theirs = forksOf(history)
    const fork = own === null ? forkFrom(theirs, control.timeline) : forkBetween(theirs, own, control.timeline)
    const names = (await read(host, 'ls -1 "$PGDATA/pg_wal"')).split('\n').map((one) => one.trim())
    const decoded = fork === null ? null : await decodeDivergence(host.shell, names, fork, own ?? [], control)
    const files = fork === null ? [] : divergentSegments(names, fork, endOf(control), control.segmentBytes)
    if (files.length > 0) await read(host, COPY, [folder, ...files])
    const tables = await tablesOf(run, decoded?.divergence?.relations.map(({ relation }) => relation) ?? [])
    const rows = decoded?.divergence?.rows ?? []
    if (rows.length > 0)
      await host.write(
        `${folder}/${ROWS_FILE}`,
        changedRows(rows, (relation) => tables.get(relation) ?? null),
      )
    const evidence = {
      schemaVersion: 1,
      cluster: clusterNamed(run.component, siteOf(run)),
      member: name,
      takenAt: run.context.clock.now().toISOString(),
      files,
      rowsIn: rows.length === 0 ? null : ROWS_FILE,
      ...describeDivergence(fork, control, decoded, tables),
    }
    await host.write(`${folder}/evidence.json`, JSON.stringify(evidence, null, 2))
  },
  back: { is: 'leaves-nothing', because: 'a copy of WAL beside the database hurts no move' },
}

export const keepEvidence: Action<PatroniSpec, KeepEvidence, Kept> = {
  name: 'keep-evidence',
  parameters: parametersOf<KeepEvidence>({ active: TEXT, parted: FLAG }),
  behaviour,
  byHand: {
    say: (component, step) => ({
      commands: hostNamesOf(component, step.site).map(
        (host) =>
          `ssh ${host} ${quoted(`sudo tar -C ${component.spec.server.dataDirectory} -czf - pg_wal`)} > ${host}-pg_wal.tgz`,
      ),
      expect:
        'The archives hold the files after the position at which the new primary left this history. They are all that remains of what users wrote here afterwards.',
      never: 'Go on without them: the next steps take that part of the history away.',
    }),
  },
}

/** No server of the site was a primary when it ended: what standbys have, their primary had. */
const NOTHING: Kept = {
  kept: '',
  found: {
    bytes: [0, 0],
    rows: [0, 0],
    commits: [0, 0],
    tables: [],
    firstCommitAt: null,
    lastCommitAt: null,
    why: 'no server of the site was a primary when it ended',
  },
}

/** One folder for each rejoin. */
const folderOf = (run: Run): string =>
  `${evidenceOf(run.component)}/${run.component.spec.scope}-${siteOf(run)}-${run.begunAt.replaceAll(/[:.]/g, '-')}`

async function formerOf(run: Run) {
  const hosts = hostsOf(run.component, siteOf(run), run.context, run.signal)
  await Promise.all([...hosts.values()].map(refuseUnreadable))
  return formerPrimary(hosts, { orFarthest: run.step.parameters.parted })
}

/** Throws `patroni-evidence-unreadable`: a server that nothing can be said of may be the former primary. */
export async function refuseUnreadable(host: MemberHost): Promise<void> {
  const script = 'test ! -e "$PGDATA/global/pg_control" || pg_controldata >/dev/null'
  const answer = await host.shell(script, [], seconds(20))
  if (answer.code === 0) return
  throw codes.error(
    'patroni-evidence-unreadable',
    `pg_controldata cannot read its control file: ${answer.stderr.trim() || `exit code ${answer.code}`}`,
    {
      retry: 'never',
      where: host.where,
      next: 'Compare server.programs in the stack file with the folder of pg_controldata there, and resume the run. Nothing was removed.',
    },
  )
}

/** `$0`: the folder; the names of the files follow. */
const COPY = 'umask 077 && mkdir -p "$0" && for one in "$@"; do cp -- "$PGDATA/pg_wal/$one" "$0/" || exit 1; done'

/** How the stopped server came to its timeline; null where its files do not say. */
async function ownHistory(host: MemberHost, timeline: number): Promise<Fork[] | null> {
  if (timeline === 1) return []
  const script = 'test ! -e "$PGDATA/pg_wal/$0" || cat "$PGDATA/pg_wal/$0"'
  const lines = forksInFile(await read(host, script, [historyName(timeline)]))
  return lines.length === 0 ? null : lines
}

/** The names of the tables behind these files. The new primary is a copy, and knows them by the same files. */
async function tablesOf(run: Run, relations: readonly string[]): Promise<Map<string, string>> {
  if (relations.length === 0) return new Map()
  const { active } = run.step.parameters
  const writer = writerIn({ members: await membersAt(run, active) })
  if (writer === null)
    throw codes.error('patroni-unlocked', `no member of ${clusterNamed(run.component, active)} accepts writes`, {
      retry: 'transient',
      where: active,
      unanswered: true,
    })
  const host = hostOf(run.component, active, writer.name, run.context, run.signal)
  return userTables(relations, await host.sql(run.component.spec.database, tableNamesQuery(relations)))
}

/** The output of a small script. Throws `patroni-evidence-unreadable` where it fails. */
async function read(host: MemberHost, script: string, args: readonly string[] = ['']): Promise<string> {
  const answer = await host.shell(script, args, minutes(5))
  if (answer.code !== 0)
    throw codes.error('patroni-evidence-unreadable', answer.stderr.trim() || `exit code ${answer.code}`, {
      retry: 'never',
      where: host.where,
      next: 'Look at the data directory and at the room on its disk, and resume the run.',
    })
  return answer.stdout
}
