import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { changedRows, ROWS_FILE } from '../../../systems/postgres/changed-rows.ts'
import { type ControlData, endOf } from '../../../systems/postgres/control-data.ts'
import { foundLoss } from '../../../systems/postgres/found-loss.ts'
import {
  type Fork,
  forkBetween,
  forkFrom,
  forksIn,
  forksInFile,
  HISTORY,
} from '../../../systems/postgres/timeline-history.ts'
import { bytesBetween, parseLsn, parseSegment, type SegmentBytes } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { parseStrictly } from '../../../values/strict-json.ts'
import { controlData } from '../failover/fence.ts'
import { podOf, primaryPod, readCluster, runSql } from '../objects.ts'
import { archiveFolder, type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { namespaceOf, type Run } from '../where.ts'
import { type Decoded, decodeDivergence } from './decode-divergence.ts'

/** What exists only on the former active site is kept before the site is cloned anew, and named. */
export function keepEvidenceStep(component: Database, intent: Intent, serverName: string, uid: string): PlannedStep {
  const cluster = clusterOf(component, intent.to)
  return plannedStep(component, 'keep-evidence', intent.to, {
    phase: 'FINAL_SYNC',
    needs: [stepId(component, 'fence', intent.to)],
    title: `Copies the WAL that only ${cluster} has into the archive of ${intent.from}, and counts the committed rows in it per table`,
    deadline: minutes(15),
    expected: seconds(5),
    parameters: { cluster, uid, serverName, primary: clusterOf(component, intent.from), primarySite: intent.from },
  })
}

/** What is no description was not written by a step that ended: it is written anew. */
function descriptionIn(body: string): JsonObject | null {
  const parsed = parseStrictly(body)
  return 'value' in parsed && isObject(parsed.value) ? parsed.value : null
}

/**
 * More is not copied through the API server, but for one segment that is longer. The rest is named, and stays on the
 * volume until the next step.
 */
const MOST_BYTES = 256 * 1024 * 1024

export const keepEvidence: Behaviour<CloudNativePgSpec> = {
  async done(run): Promise<Progress> {
    const store = await evidenceStore(run).open('read')
    const found = await store.get(`${evidenceFolder(run)}evidence.json`, { signal: run.signal })
    const proof = found === null ? null : descriptionIn(found.body)
    // Of another cluster under the same name it says nothing about the one that is about to be deleted.
    if (proof === null || (proof.uid ?? '') !== uidOf(run))
      return { is: 'pending', waitingFor: `the WAL of ${parameter(run.step, 'cluster')} to be kept` }
    const kept = evidenceFolder(run)
    return { is: 'done', proof: { ...proof, kept, found: foundLoss(proof, kept) } }
  },

  /**
   * The description is written last: all that could be kept is there. What could not be decoded, or was missing, is in
   * it.
   */
  async apply(run) {
    const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), parameter(run.step, 'cluster'), run.signal)
    if (cluster !== null && uidOf(run) !== '' && cluster.metadata.uid !== uidOf(run))
      throw siteError(
        'another-database',
        `${parameter(run.step, 'cluster')} was made anew: it is not the cluster of this plan`,
        {
          where: `${siteOf(run)} ${namespaceOf(run)}/Cluster/${parameter(run.step, 'cluster')}`,
          next: 'Plan the rejoin again.',
        },
      )
    const pod = cluster?.status?.currentPrimary
    const control = await controlData(run, pod)
    if (pod === undefined || control === null)
      throw siteError(
        'evidence-unreadable',
        `the files of ${parameter(run.step, 'cluster')} can not be read: its primary pod does not run`,
        {
          where: `${siteOf(run)} ${namespaceOf(run)}/Cluster/${parameter(run.step, 'cluster')}`,
          next: 'Bring the pod up (it stays fenced), and resume. To give up what only this site has, delete the Cluster by hand and plan the rejoin again.',
        },
      )
    const own = await ownHistory(run, pod, control)
    const fork = await forkOfSuccessor(run, control, own)
    const present = fork === null ? [] : await segmentsIn(run, pod)
    const names = fork === null ? [] : divergentSegments(present, fork, endOf(control), control.segmentBytes)
    const decoded = fork === null ? null : await decodeDivergence(run, pod, present, fork, own ?? [], control)
    const end = endOf(control)
    const most = Math.max(1, MOST_BYTES / control.segmentBytes)
    const kept = names.slice(0, most)
    const store = await evidenceStore(run).open('write')
    for (const name of kept) {
      const content = await runIn(run, pod, 'gzip -c "$PGDATA/pg_wal/$0" | base64 -w0', name)
      await store.put(`${evidenceFolder(run)}${name}.gz`, Buffer.from(content, 'base64'), {
        signal: run.signal,
        deadline: minutes(2),
      })
    }
    const tables = await tablesOf(run, decoded?.divergence?.relations.map(({ relation }) => relation) ?? [])
    const rows = decoded?.divergence?.rows ?? []
    if (rows.length > 0) {
      const text = changedRows(rows, (relation) => tables.get(relation) ?? null)
      await store.put(`${evidenceFolder(run)}${ROWS_FILE}`, text, { signal: run.signal, deadline: minutes(2) })
    }
    const evidence = {
      schemaVersion: 1,
      cluster: parameter(run.step, 'cluster'),
      uid: uidOf(run),
      serverName: parameter(run.step, 'serverName'),
      takenAt: run.context.clock.now().toISOString(),
      state: control.state,
      forkedAt: fork?.at ?? null,
      // Null after a crash: the control file knows its last checkpoint only.
      endedAt: end,
      timeline: control.timeline,
      bytes: bytesBeyond(fork, end, decoded),
      files: kept,
      filesLeft: names.slice(most),
      rowsIn: rows.length === 0 ? null : ROWS_FILE,
      ...(decoded === null ? NEVER_PARTED : described(decoded, tables)),
    }
    await store.put(`${evidenceFolder(run)}evidence.json`, JSON.stringify(evidence, null, 2), {
      signal: run.signal,
      contentType: 'application/json',
    })
  },
}

/** The active site's bucket: the former site's own may be closed, and is the one that is about to be rebuilt. */
const evidenceStore = (run: Run) =>
  run.context.objectStore(run.component.spec.archive.store, parameter(run.step, 'primarySite') as SiteName)
const uidOf = (run: Run): string => (typeof run.step.parameters.uid === 'string' ? run.step.parameters.uid : '')
/**
 * One for each cluster and each time: what was kept before, of another one or before it wrote on, is no evidence of
 * what is deleted now.
 */
const evidenceFolder = (run: Run): string =>
  `${archiveFolder(run.component)}evidence/${[parameter(run.step, 'serverName'), uidOf(run), run.begunAt.replaceAll(/[:.]/g, '-')].filter((part) => part !== '').join('/')}/`

/**
 * Where the history of the new primary and the one of this cluster parted; null when they never did. Without its own
 * history, the numbers decide.
 */
async function forkOfSuccessor(run: Run, control: ControlData, own: readonly Fork[] | null): Promise<Fork | null> {
  const kubernetes = run.context.kubernetes(parameter(run.step, 'primarySite') as SiteName)
  const pod = await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'primary'), run.signal)
  const history = forksIn(await runSql(kubernetes, pod, 'postgres', HISTORY, run.signal))
  return own === null ? forkFrom(history, control.timeline) : forkBetween(history, own, control.timeline)
}

/** How the stopped cluster came to its timeline; null where its files do not say. */
async function ownHistory(run: Run, pod: string, { timeline }: ControlData): Promise<Fork[] | null> {
  if (timeline === 1) return []
  const name = `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
  const lines = forksInFile(await runIn(run, pod, 'test ! -e "$PGDATA/pg_wal/$0" || cat "$PGDATA/pg_wal/$0"', name))
  return lines.length === 0 ? null : lines
}

const segmentsIn = async (run: Run, pod: string): Promise<string[]> =>
  (await runIn(run, pod, 'ls -1 "$PGDATA/pg_wal"')).split('\n').map((name) => name.trim())

/**
 * Names of the WAL files that reach behind the fork, oldest first. Behind the end lie old ones under new names, made
 * ready to be written again.
 */
function divergentSegments(
  names: readonly string[],
  fork: Fork,
  endedAt: string | null,
  segments: SegmentBytes,
): string[] {
  const at = parseLsn(fork.at) ?? 0n
  const end = parseLsn(endedAt)
  return names.filter((name) => {
    const segment = name.length === 24 ? parseSegment(name, segments) : null
    return (
      segment !== null &&
      segment.timeline >= fork.timeline &&
      segment.end > at &&
      (end === null || segment.start <= end)
    )
  })
}

/** Null where nobody knows the end. */
function bytesBeyond(fork: Fork | null, end: string | null, decoded: Decoded | null): number | null {
  if (fork === null || decoded?.endsAtFork === true) return 0
  return end === null ? null : bytesBetween(fork.at, end)
}

const NEVER_PARTED = {
  tables: [],
  commits: 0,
  complete: true,
  missing: [],
  meaning: 'the histories never parted: nothing exists on this site only',
}

function described(
  { divergence, complete, missing, endsAtFork }: Decoded,
  tables: ReadonlyMap<string, string>,
): JsonObject {
  const gap =
    missing.length === 0
      ? ''
      : `; ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not on its volume any more`
  const lies = { complete, missing: [...missing] }
  if (divergence === null)
    return {
      ...lies,
      tables: null,
      commits: null,
      meaning: `the WAL could not be decoded here; the files hold what is left of it${gap}`,
    }
  if (endsAtFork)
    return {
      ...lies,
      tables: [],
      commits: 0,
      meaning: 'its WAL ends where the histories parted: nothing was committed on this site only',
    }
  const { relations, rows: _, ...rest } = divergence
  return {
    ...rest,
    ...lies,
    tables: relations.flatMap(({ relation, ...counts }): JsonObject[] => {
      const table = tables.get(relation)
      return table === undefined ? [] : [{ table, ...counts }]
    }),
    meaning: `rows that transactions changed which were committed on this site only, counted in its WAL; a row that was changed twice counts twice${complete ? '' : `; not all of it could be read, so there is more${gap}`}`,
  }
}

/**
 * The names of users' tables by their files. The new primary is a copy: it knows the tables by the same files, unless
 * they were rewritten since. Catalogues and TOAST hold no rows of users.
 */
async function tablesOf(run: Run, relations: readonly string[]): Promise<Map<string, string>> {
  if (relations.length === 0) return new Map()
  const kubernetes = run.context.kubernetes(parameter(run.step, 'primarySite') as SiteName)
  const pod = await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'primary'), run.signal)
  const values = relations.map((relation) => `(${relation.split('/').map(Number).join(', ')})`).join(', ')
  const rows = await runSql(kubernetes, pod, run.component.spec.database, nameQuery(values), run.signal)
  const known = new Map(rows.map(([file, schema, table]) => [file, { schema: schema ?? '', table: table ?? '' }]))
  return new Map(
    relations.flatMap((relation): [string, string][] => {
      const found = known.get(relation)
      if (found === undefined) return isCatalogue(relation) ? [] : [[relation, `file ${relation}`]]
      return SYSTEM_SCHEMAS.has(found.schema) ? [] : [[relation, found.table]]
    }),
  )
}

const SYSTEM_SCHEMAS = new Set(['pg_catalog', 'pg_toast', 'information_schema'])
/** File nodes below the first of users belong to the system, in every database. */
const isCatalogue = (relation: string): boolean => Number(relation.split('/')[2]) < 16_384

const nameQuery = (values: string): string => `SELECT space || '/' || db || '/' || node, nspname, pg_class.oid::regclass
FROM (VALUES ${values}) AS changed(space, db, node)
JOIN pg_database ON pg_database.oid = db AND datname = current_database()
JOIN pg_class ON pg_class.oid = pg_filenode_relation((CASE WHEN space = 1663 THEN 0 ELSE space END)::oid, node::oid)
JOIN pg_namespace ON pg_namespace.oid = relnamespace;`

/** Output of a small shell script in the pod; its argument is data, never part of the script. */
async function runIn(run: Run, pod: string, script: string, argument = ''): Promise<string> {
  const answer = await kubernetesOf(run).exec(podOf(namespaceOf(run), pod), ['sh', '-c', script, argument], {
    signal: run.signal,
    deadline: minutes(2),
  })
  if (answer.code !== 0)
    throw siteError('evidence-unreadable', `${script}: ${answer.stderr.trim() || `exit code ${answer.code}`}`, {
      where: `${siteOf(run)} ${namespaceOf(run)}/Pod/${pod}`,
    })
  return answer.stdout
}
