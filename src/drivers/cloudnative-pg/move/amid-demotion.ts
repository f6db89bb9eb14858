import type { Progress } from '../../../domain/progress.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { kubernetesOf, siteOf } from '../../../driver/site-of-step.ts'
import { planCommand } from '../../../planning/plan-command.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { controlData, unavailable } from '../failover/fence.ts'
import { type ClusterObject, POD, POSTGRES, podOf } from '../objects.ts'
import { instanceOf, namespaceOf, type Run, touchCluster } from '../where.ts'

/** A demotion takes 2 s: only one that lasts is looked at more closely, so that no other is slowed by it. */
const LASTS: Milliseconds = seconds(10)

/** With either of them the operator makes its token (parser.go of 1.30, IsShutdown). */
const SHUT_DOWN = ['shut down', 'shut down in recovery']

/**
 * Why a demotion can never end, nor be taken back; null where it may. The operator waits for a PostgreSQL that was shut
 * down in good order (shutdown_wal.go of 1.30, errPostgresNotShutDown), keeps it fenced meanwhile, and its webhook
 * refuses every other direction: one that was killed first is started by nobody, so no shutdown can come (seen in the
 * lab).
 */
export async function neverEnds(run: Run, cluster: ClusterObject): Promise<Progress | null> {
  const state = await stoppedAmid(run, cluster)
  if (state === null || SHUT_DOWN.includes(state)) return null
  const command = run.intent === null ? '' : `: ${planCommand({ ...run.intent, mode: 'failover' })}`
  return {
    is: 'failed',
    code: 'demotion-cannot-end',
    why: `PostgreSQL of ${cluster.metadata.name} was killed before it was shut down ("${state}"), and its operator, which waits for that shutdown, keeps it stopped: the demotion can neither end nor be taken back`,
    next: `Only a failover ends it${command}. What it would lose stands in its plan.`,
  }
}

/**
 * The name of what keeps a demotion from its end although PostgreSQL was shut down; null where there is none. The
 * operator ships the last segment under a second name, a link that its instance manager makes, and takes away when it
 * is done (remote.go of 1.30, pgArchivePartial). One that died in between leaves it, and every later one gives up in
 * front of it: "file exists", for ever (seen in the lab).
 */
export async function leftoverLink(run: Run, cluster: ClusterObject): Promise<string | null> {
  const state = await stoppedAmid(run, cluster)
  return state !== null && SHUT_DOWN.includes(state) ? leftover(run, cluster, '-print') : null
}

/** It is one of two names, so that nothing is lost with it; the operator is made to look again. */
export async function removeLeftoverLink(run: Run, cluster: ClusterObject): Promise<void> {
  const removed = await leftover(run, cluster, '-print -delete')
  if (removed !== null)
    run.context.log.info(
      `${run.step.id}: ${removed} was left behind by an instance manager that died, and its operator stops in front of it: removed`,
    )
  await touchCluster(run)
}

/** Only what is older than the instance manager of now, which may be at work on its own; and only a second name. */
async function leftover(run: Run, cluster: ClusterObject, then: '-print' | '-print -delete'): Promise<string | null> {
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
 * The state in the control file of a PostgreSQL that its demotion has stopped; null where it runs, or nobody can tell.
 * Asked for first, it stays so.
 */
async function stoppedAmid(run: Run, cluster: ClusterObject): Promise<string | null> {
  if (cluster.status?.switchReplicaClusterStatus?.inProgress !== true || runningFor(run) < LASTS) return null
  const instance = await instanceOf(run, cluster)
  if (instance === null || unavailable(instance) === null) return null
  return (await controlData(run, cluster.status.currentPrimary))?.state ?? null
}
