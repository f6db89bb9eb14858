import { minutes, seconds } from '../../duration.ts'
import { siteError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Behaviour, Progress } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { type ChangedRelation, type Divergence, divergenceIn } from './divergent-wal.ts'
import { type ControlData, controlData } from './fence.ts'
import { podOf, primaryPod, readCluster, runSql } from './objects.ts'
import { archiveFolder, type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { parameter, plannedStep, stepId } from './steps.ts'
import { type Fork, forkFrom, forksIn, HISTORY } from './timeline-history.ts'
import { parseLsn, parseSegment } from './wal.ts'
import { kubernetesOf, namespaceOf, type Run, siteOf } from './where.ts'

/** What exists only on the former active site is kept before the site is cloned anew, and named. */
export function keepEvidenceStep(component: Database, intent: Intent, serverName: string): PlannedStep {
  const cluster = clusterOf(component, intent.to)
  return plannedStep(component, 'keep-evidence', intent.to, {
    phase: 'FINAL_SYNC',
    needs: [stepId(component, 'fence', intent.to)],
    title: `Copies the WAL that only ${cluster} has into the archive of ${intent.from}, and counts the committed rows in it per table`,
    deadline: minutes(15),
    expected: seconds(5),
    parameters: { cluster, serverName, primary: clusterOf(component, intent.from), primarySite: intent.from },
  })
}

/** More than this is not copied through the API server: 256 MiB. The rest is named, and stays on the volume until the next step. */
const MOST_SEGMENTS = 16
/** Lines of pg_waldump that are read. */
const MOST_RECORDS = 200_000

export const keepEvidence: Behaviour<CloudNativePgSpec> = {
  async done(run): Promise<Progress> {
    const store = await evidenceStore(run).open('read')
    const found = await store.get(`${evidenceFolder(run)}evidence.json`, { signal: run.signal })
    if (found === null) return { is: 'pending', waitingFor: `the WAL of ${parameter(run.step, 'cluster')} to be kept` }
    const proof = JSON.parse(found.body) as JsonObject
    return { is: 'done', proof: { ...proof, kept: evidenceFolder(run) } }
  },

  /** The description is written last: it stands for complete evidence. */
  async apply(run) {
    const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), parameter(run.step, 'cluster'), run.signal)
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
    const fork = await forkOfSuccessor(run, control)
    const names = fork === null ? [] : await divergentSegments(run, pod, fork)
    const divergence = fork === null ? null : await readDivergence(run, pod, control, fork)
    const kept = names.slice(0, MOST_SEGMENTS)
    const store = await evidenceStore(run).open('write')
    for (const name of kept) {
      const content = await runIn(run, pod, 'gzip -c "$PGDATA/pg_wal/$0" | base64 -w0', name)
      await store.put(`${evidenceFolder(run)}${name}.gz`, Buffer.from(content, 'base64'), { signal: run.signal, deadline: minutes(2) })
    }
    const evidence = {
      schemaVersion: 1,
      cluster: parameter(run.step, 'cluster'),
      serverName: parameter(run.step, 'serverName'),
      takenAt: run.context.clock.now().toISOString(),
      state: control.state,
      forkedAt: fork?.at ?? null,
      endedAt: control.checkpoint,
      timeline: control.timeline,
      bytes: fork === null ? 0 : bytesBetween(fork.at, control.checkpoint),
      files: kept,
      filesLeft: names.slice(MOST_SEGMENTS),
      ...(await described(run, divergence)),
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
const evidenceFolder = (run: Run): string => `${archiveFolder(run.component)}evidence/${parameter(run.step, 'serverName')}/`

/** Where the new primary left the history of this cluster; null when it never did. */
async function forkOfSuccessor(run: Run, control: ControlData): Promise<Fork | null> {
  const kubernetes = run.context.kubernetes(parameter(run.step, 'primarySite') as SiteName)
  const pod = await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'primary'), run.signal)
  return forkFrom(forksIn(await runSql(kubernetes, pod, 'postgres', HISTORY, run.signal)), control.timeline)
}

/** Names of the WAL files that reach behind the fork, oldest first. */
async function divergentSegments(run: Run, pod: string, fork: Fork): Promise<string[]> {
  const at = parseLsn(fork.at) ?? 0n
  const names = (await runIn(run, pod, 'ls -1 "$PGDATA/pg_wal"')).split('\n').map((name) => name.trim())
  return names.filter((name) => {
    const segment = name.length === 24 ? parseSegment(name) : null
    return segment !== null && segment.timeline >= fork.timeline && segment.end > at
  })
}

/** Null where the image has no pg_waldump. */
async function readDivergence(
  run: Run,
  pod: string,
  control: ControlData,
  fork: Fork,
): Promise<(Divergence & { complete: boolean }) | null> {
  // It ends with an error at the end of the WAL, always; what it printed until then is what there is.
  const script = `command -v pg_waldump >/dev/null || exit 127
pg_waldump -p "$PGDATA/pg_wal" -t "$0" -s "$1" 2>/dev/null | grep -E '^rmgr: (Heap2?|Transaction) ' | head -n ${MOST_RECORDS}`
  const answer = await kubernetesOf(run).exec(podOf(namespaceOf(run), pod), ['sh', '-c', script, String(control.timeline), fork.at], {
    signal: run.signal,
    deadline: minutes(5),
  })
  if (answer.code === 127) return null
  const lines = answer.stdout.split('\n').length
  return { ...divergenceIn(answer.stdout), complete: lines <= MOST_RECORDS }
}

async function described(run: Run, divergence: (Divergence & { complete: boolean }) | null): Promise<JsonObject> {
  if (divergence === null) return { tables: null, commits: null, meaning: 'the WAL could not be decoded here; the files hold it' }
  const { relations, ...rest } = divergence
  return {
    ...rest,
    tables: await named(run, relations),
    meaning:
      'rows that transactions changed which were committed on this site only, counted in its WAL; a row that was changed twice counts twice',
  }
}

/** The new primary is a copy: it knows the tables by the same files, unless they were rewritten since. Catalogues and TOAST hold no rows of users. */
async function named(run: Run, relations: readonly ChangedRelation[]): Promise<JsonObject[]> {
  if (relations.length === 0) return []
  const kubernetes = run.context.kubernetes(parameter(run.step, 'primarySite') as SiteName)
  const pod = await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'primary'), run.signal)
  const values = relations.map(({ relation }) => `(${relation.split('/').map(Number).join(', ')})`).join(', ')
  const rows = await runSql(kubernetes, pod, run.component.spec.database, nameQuery(values), run.signal)
  const tables = new Map(rows.map(([file, schema, table]) => [file, { schema: schema ?? '', table: table ?? '' }]))
  return relations.flatMap(({ relation, ...counts }): JsonObject[] => {
    const known = tables.get(relation)
    if (known === undefined) return isCatalogue(relation) ? [] : [{ table: `file ${relation}`, ...counts }]
    return SYSTEM_SCHEMAS.has(known.schema) ? [] : [{ table: known.table, ...counts }]
  })
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

function bytesBetween(from: string, to: string): number {
  const [begin, end] = [parseLsn(from), parseLsn(to)]
  return begin === null || end === null || end <= begin ? 0 : Number(end - begin)
}
