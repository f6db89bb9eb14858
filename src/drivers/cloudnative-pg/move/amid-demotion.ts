import { runningFor } from '../../../driver/running-for.ts'
import { planCommand } from '../../../planning/plan-command.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { readControlData } from '../control-data.ts'
import { unavailable } from '../failover/stopped-instances.ts'
import { type ClusterObject, POD, POSTGRES, podOf } from '../objects.ts'
import {
  type ClusterRun,
  type Failed,
  instanceOf,
  invalidateCluster,
  kubernetesOf,
  namespaceOf,
  siteOf,
} from '../run.ts'

/** A demotion takes 2 s. Only a longer one is examined, so that no other is slowed by it. */
const LASTS: Milliseconds = seconds(10)

/** In either of these states the operator makes its token (parser.go of 1.30, IsShutdown). */
const SHUT_DOWN = ['shut down', 'shut down in recovery']

/**
 * Why a demotion can neither end nor be undone; null where it may. The operator waits for a PostgreSQL that was shut
 * down cleanly (shutdown_wal.go of 1.30, errPostgresNotShutDown), keeps it fenced meanwhile, and its webhook refuses
 * every other direction. Nothing starts a PostgreSQL that was killed before, so no shutdown can come (seen in the lab).
 */
export async function neverEnds(run: ClusterRun, cluster: ClusterObject): Promise<Failed | null> {
  const state = await stoppedAmid(run, cluster)
  if (state === null || SHUT_DOWN.includes(state)) return null
  const command = run.intent === null ? '' : `: ${planCommand({ ...run.intent, mode: 'failover' })}`
  return {
    is: 'failed',
    code: codes.code['demotion-cannot-end'],
    why: `PostgreSQL of ${cluster.metadata.name} was killed before it was shut down ("${state}"), and its operator, which waits for that shutdown, keeps it stopped: the demotion can neither end nor be taken back`,
    next: `Only a failover ends it${command}. Its plan says what it would lose.`,
  }
}

/**
 * Path of the link that keeps a demotion from its end although PostgreSQL was shut down; null where there is none. The
 * operator ships the last segment under a second name, a link that its instance manager makes, and removes when it is
 * done (remote.go of 1.30, pgArchivePartial). An instance manager that dies in between leaves the link, and every later
 * one fails with "file exists" (seen in the lab).
 */
export async function leftoverLink(run: ClusterRun, cluster: ClusterObject): Promise<string | null> {
  const state = await stoppedAmid(run, cluster)
  return state !== null && SHUT_DOWN.includes(state) ? leftover(run, cluster, '-print') : null
}

/** Removes one of the two names of a file, so that nothing is lost, and makes the operator look again. */
export async function removeLeftoverLink(run: ClusterRun, cluster: ClusterObject): Promise<void> {
  const removed = await leftover(run, cluster, '-print -delete')
  if (removed !== null)
    run.context.log.info(
      `${run.step.id}: ${removed} was left behind by an instance manager that died, and its operator fails at it: removed`,
    )
  await invalidateCluster(run)
}

/**
 * Only a file with a second name, and only one that is older than the instance manager of now, which may be at work on
 * its own.
 */
async function leftover(
  run: ClusterRun,
  cluster: ClusterObject,
  then: '-print' | '-print -delete',
): Promise<string | null> {
  const name = cluster.status?.currentPrimary ?? ''
  const pod = (await kubernetesOf(run).get(
    { ...POD, namespace: namespaceOf(run), name },
    { signal: run.signal },
  )) as RunningPod | null
  const since = pod?.status?.containerStatuses?.find((container) => container.name === POSTGRES)?.state?.running
    ?.startedAt
  if (since === undefined) return null
  const script = `find "$PGDATA/pg_wal/" -maxdepth 1 -name "*.partial" -links +1 ! -newerct "$0" ${then}`
  const answer = await kubernetesOf(run).exec(podOf(namespaceOf(run), name), ['sh', '-c', script, since], {
    signal: run.signal,
  })
  if (answer.code !== 0) run.context.log.debug(`${siteOf(run)}: find in pg_wal of ${name}: ${answer.stderr.trim()}`)
  return answer.code === 0 ? answer.stdout.trim().split('\n')[0] || null : null
}
interface RunningPod {
  readonly status?: {
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly state?: { readonly running?: { readonly startedAt?: string } }
    }[]
  }
}

/**
 * The state in the control file of a PostgreSQL that its demotion has stopped; null where it runs, or where the state
 * is unknown. It cannot change any more.
 */
async function stoppedAmid(run: ClusterRun, cluster: ClusterObject): Promise<string | null> {
  if (cluster.status?.switchReplicaClusterStatus?.inProgress !== true || runningFor(run) < LASTS) return null
  const instance = await instanceOf(run, cluster)
  if (instance === null || unavailable(instance) === null) return null
  const pod = podOf(namespaceOf(run), cluster.status.currentPrimary ?? '')
  return (await readControlData(kubernetesOf(run), pod, run))?.state ?? null
}
