import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Plain } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
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
import { historyName } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { parseStrictly } from '../../../values/strict-json.ts'
import { codes } from '../codes.ts'
import { readControlData } from '../control-data.ts'
import { fence } from '../failover/fence.ts'
import { podOf, primaryPod, readCluster, runSql } from '../objects.ts'
import { type DatabaseRun, kubernetesOf, namespaceOf, siteNamed, siteOf } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { archiveFolder, type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'

export type KeepEvidence = {
  readonly cluster: string
  /** metadata.uid of the Cluster that is meant; empty: of any. */
  readonly uid: string
  readonly serverName: string
  /** The Cluster that took over. */
  readonly primary: string
  readonly primarySite: string
}
/** The description in `evidence.json`, field by field, and these two. */
interface Kept extends Proof {
  /** Folder in the archive's bucket. */
  readonly kept: string
  /** What reports show beside the loss of the failover. */
  readonly found: JsonObject
}
type Run = DatabaseRun<KeepEvidence>

/** What exists only on the former active site is kept, and named, before the site is cloned anew. */
export function keepEvidenceStep(
  component: Database,
  intent: Intent,
  serverName: string,
  uid: string,
): DriverStep<KeepEvidence> {
  const cluster = clusterOf(component, intent.to)
  return planStep(keepEvidence, intent.to, {
    phase: 'FINAL_SYNC',
    needs: [stepOf(component, fence, intent.to)],
    title: `Copies the WAL that only ${cluster} has into the archive of ${intent.from}, and counts the committed rows in it per table`,
    deadline: minutes(15),
    expected: seconds(5),
    parameters: { cluster, uid, serverName, primary: clusterOf(component, intent.from), primarySite: intent.from },
  })
}

/** Null for a text that is no description: a step that ended did not write it, so it is written anew. */
function descriptionIn(body: string): JsonObject | null {
  const parsed = parseStrictly(body)
  return 'value' in parsed && isObject(parsed.value) ? parsed.value : null
}

/**
 * More than this is not copied through the API server, except one segment that is longer. The rest is named, and stays
 * on the volume until the next step.
 */
const MOST_BYTES = 256 * 1024 * 1024

const behaviour: Plain<CloudNativePgSpec, KeepEvidence, Kept> = {
  is: 'plain',
  async done(run) {
    const { cluster, uid } = run.step.parameters
    const store = await evidenceStore(run).open('read')
    const found = await store.get(`${evidenceFolder(run)}evidence.json`, { signal: run.signal })
    const description = found === null ? null : descriptionIn(found.body)
    // The evidence of another Cluster of the same name says nothing about the one that is about to be deleted.
    if (description === null || (description.uid ?? '') !== uid)
      return { is: 'pending', waitingFor: `the WAL of ${cluster} to be kept` }
    const kept = evidenceFolder(run)
    return { is: 'done', proof: { ...description, kept, found: foundLoss(description, kept) } }
  },

  /** Writes the description last: by then everything that could be kept is there, and it names what could not. */
  async apply(run) {
    const { cluster, uid, serverName } = run.step.parameters
    const { pod, control } = await stoppedPrimary(run)
    const own = await ownHistory(run, pod, control)
    const fork = await forkOfSuccessor(run, control, own)
    const present = fork === null ? [] : await segmentsIn(run, pod)
    const names = fork === null ? [] : divergentSegments(present, fork, endOf(control), control.segmentBytes)
    const decoded = fork === null ? null : await decodeDivergence(shellIn(run, pod), present, fork, own ?? [], control)
    const most = Math.max(1, MOST_BYTES / control.segmentBytes)
    const files = names.slice(0, most)
    const store = await evidenceStore(run).open('write')
    const folder = evidenceFolder(run)
    for (const name of files) {
      const content = await runIn(run, pod, 'gzip -c "$PGDATA/pg_wal/$0" | base64 -w0', name)
      await store.put(`${folder}${name}.gz`, Buffer.from(content, 'base64'), {
        signal: run.signal,
        deadline: minutes(2),
      })
    }
    const tables = await tablesOf(run, decoded?.divergence?.relations.map(({ relation }) => relation) ?? [])
    const rows = decoded?.divergence?.rows ?? []
    if (rows.length > 0) {
      const text = changedRows(rows, (relation) => tables.get(relation) ?? null)
      await store.put(`${folder}${ROWS_FILE}`, text, { signal: run.signal, deadline: minutes(2) })
    }
    const evidence = {
      schemaVersion: 1,
      cluster,
      uid,
      serverName,
      takenAt: run.context.clock.now().toISOString(),
      files,
      filesLeft: names.slice(most),
      rowsIn: rows.length === 0 ? null : ROWS_FILE,
      ...describeDivergence(fork, control, decoded, tables),
    }
    await store.put(`${folder}evidence.json`, JSON.stringify(evidence, null, 2), {
      signal: run.signal,
      contentType: 'application/json',
    })
  },
  back: { is: 'leaves-nothing', because: 'a copy of WAL in the archive hurts no move' },
}

/** Throws `another-database` where the Cluster is not the one of the plan, `evidence-unreadable` where no pod runs. */
async function stoppedPrimary(run: Run): Promise<{ readonly pod: string; readonly control: ControlData }> {
  const { cluster: name, uid } = run.step.parameters
  const where = `${siteOf(run)} ${namespaceOf(run)}/Cluster/${name}`
  const cluster = await readCluster(kubernetesOf(run), namespaceOf(run), name, run.signal)
  if (cluster !== null && uid !== '' && cluster.metadata.uid !== uid)
    throw codes.error('another-database', `${name} was made anew: it is not the cluster of this plan`, {
      retry: 'never',
      where,
      next: 'Plan the rejoin again.',
    })
  const pod = cluster?.status?.currentPrimary
  const control = pod === undefined ? null : await readControlData(kubernetesOf(run), podOf(namespaceOf(run), pod), run)
  if (pod === undefined || control === null)
    throw codes.error('evidence-unreadable', `the files of ${name} cannot be read: its primary pod does not run`, {
      retry: 'never',
      where,
      next: 'Bring the pod up (it stays fenced), and resume. To give up what only this site has, delete the Cluster by hand and plan the rejoin again.',
    })
  return { pod, control }
}

/** The active site's bucket: the former site's own may be closed, and is the one that is about to be rebuilt. */
const evidenceStore = (run: Run) =>
  run.context.objectStore(run.component.spec.archive.store, siteNamed(run, run.step.parameters.primarySite))

/**
 * One folder for each Cluster and each time. What was kept earlier, of another Cluster or before this one wrote on, is
 * no evidence of what is deleted now.
 */
function evidenceFolder({ component, step: { parameters }, begunAt }: Run): string {
  const parts = [parameters.serverName, parameters.uid, begunAt.replaceAll(/[:.]/g, '-')].filter((part) => part !== '')
  return `${archiveFolder(component)}evidence/${parts.join('/')}/`
}

/** SQL of a superuser on the primary that took over. */
async function askSuccessor(run: Run, database: string, query: string) {
  const { primary, primarySite } = run.step.parameters
  const kubernetes = run.context.platform(KUBERNETES, siteNamed(run, primarySite))
  const pod = await primaryPod(kubernetes, namespaceOf(run), primary, run.signal)
  return runSql(kubernetes, pod, database, query, run.signal)
}

/**
 * Where the history of the new primary and the one of this cluster parted; null when they never did. Without its own
 * history, the numbers of the timelines decide.
 */
async function forkOfSuccessor(run: Run, { timeline }: ControlData, own: readonly Fork[] | null): Promise<Fork | null> {
  const history = forksIn(await askSuccessor(run, 'postgres', HISTORY))
  return own === null ? forkFrom(history, timeline) : forkBetween(history, own, timeline)
}

/** How the stopped cluster came to its timeline; null where its files do not say. */
async function ownHistory(run: Run, pod: string, { timeline }: ControlData): Promise<Fork[] | null> {
  if (timeline === 1) return []
  const script = 'test ! -e "$PGDATA/pg_wal/$0" || cat "$PGDATA/pg_wal/$0"'
  const lines = forksInFile(await runIn(run, pod, script, historyName(timeline)))
  return lines.length === 0 ? null : lines
}

const segmentsIn = async (run: Run, pod: string): Promise<string[]> =>
  (await runIn(run, pod, 'ls -1 "$PGDATA/pg_wal"')).split('\n').map((name) => name.trim())

/** The names of the tables behind these files. The new primary is a copy, and knows them by the same files. */
async function tablesOf(run: Run, relations: readonly string[]): Promise<Map<string, string>> {
  if (relations.length === 0) return new Map()
  return userTables(relations, await askSuccessor(run, run.component.spec.database, tableNamesQuery(relations)))
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
    throw codes.error('evidence-unreadable', `${script}: ${answer.stderr.trim() || `exit code ${answer.code}`}`, {
      retry: 'never',
      where: `${siteOf(run)} ${namespaceOf(run)}/Pod/${pod}`,
    })
  return answer.stdout
}

export const keepEvidence: Action<CloudNativePgSpec, KeepEvidence, Kept> = {
  name: 'keep-evidence',
  parameters: parametersOf<KeepEvidence>({
    cluster: TEXT,
    uid: TEXT,
    serverName: TEXT,
    primary: TEXT,
    primarySite: TEXT,
  }),
  behaviour,
  byHand: {
    say(component, { site, parameters: { cluster, primary } }, around) {
      const { kubectl, primaryPod: pod } = clusterShell(component, { site, cluster }, around)
      const inside = `${kubectl} exec ${pod} -c postgres -- sh -c`
      return {
        commands: [
          `${inside} 'ls "$PGDATA/pg_wal"'`,
          `${inside} 'tar -C "$PGDATA" -czf - pg_wal' > ${cluster}-pg_wal.tgz`,
        ],
        expect: `The archive holds the files after the position at which ${primary} left this history. They are all that remains of what users wrote here afterwards.`,
        never: 'Go on without it: the next step deletes the volumes.',
      }
    },
  },
}
