import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { siteError } from '../../../errors/standby-error.ts'
import { changedRows, ROWS_FILE } from '../../../systems/postgres/changed-rows.ts'
import { type ControlData, endOf } from '../../../systems/postgres/control-data.ts'
import { decodeDivergence, type ServerShell } from '../../../systems/postgres/decode-divergence.ts'
import { describeDivergence, divergentSegments } from '../../../systems/postgres/describe-divergence.ts'
import { foundLoss } from '../../../systems/postgres/found-loss.ts'
import { tableNamesQuery, userTables } from '../../../systems/postgres/tables-by-file.ts'
import {
  type Fork,
  forkBetween,
  forkFrom,
  forksIn,
  forksInFile,
  HISTORY,
} from '../../../systems/postgres/timeline-history.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { parseStrictly } from '../../../values/strict-json.ts'
import { controlData } from '../failover/fence.ts'
import { podOf, primaryPod, readCluster, runSql } from '../objects.ts'
import { archiveFolder, type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import { namespaceOf, type Run } from '../where.ts'

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
    const decoded = fork === null ? null : await decodeDivergence(shellIn(run, pod), present, fork, own ?? [], control)
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
      files: kept,
      filesLeft: names.slice(most),
      rowsIn: rows.length === 0 ? null : ROWS_FILE,
      ...describeDivergence(fork, control, decoded, tables),
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

/** The names of the tables behind these files. The new primary is a copy, and knows them by the same files. */
async function tablesOf(run: Run, relations: readonly string[]): Promise<Map<string, string>> {
  if (relations.length === 0) return new Map()
  const kubernetes = run.context.kubernetes(parameter(run.step, 'primarySite') as SiteName)
  const pod = await primaryPod(kubernetes, namespaceOf(run), parameter(run.step, 'primary'), run.signal)
  const query = tableNamesQuery(relations)
  return userTables(relations, await runSql(kubernetes, pod, run.component.spec.database, query, run.signal))
}

/** A shell in the pod. */
const shellIn =
  (run: Run, pod: string): ServerShell =>
  (script, args, deadline) =>
    kubernetesOf(run).exec(podOf(namespaceOf(run), pod), ['sh', '-c', script, ...args], {
      signal: run.signal,
      deadline,
    })

/** The output of a small script in the pod. Throws `evidence-unreadable` where it fails. */
async function runIn(run: Run, pod: string, script: string, argument = ''): Promise<string> {
  const answer = await shellIn(run, pod)(script, [argument], minutes(2))
  if (answer.code !== 0)
    throw siteError('evidence-unreadable', `${script}: ${answer.stderr.trim() || `exit code ${answer.code}`}`, {
      where: `${siteOf(run)} ${namespaceOf(run)}/Pod/${pod}`,
    })
  return answer.stdout
}
