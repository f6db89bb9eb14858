import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Phase, PlannedStep } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { conditionOf } from '../../platform/kubernetes/client/conditions.ts'
import { ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { waitOfRefused } from '../../platform/kubernetes/refused-pods.ts'
import { readDump } from '../../systems/redis/catalogue.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { digitsOf } from '../../values/stamp.ts'
import { dumpInPlace, storedInPlace } from './in-place.ts'
import { backupFolder, backupJob, type Cache, type RedisSpec, type Run } from './spec.ts'

/** A dump now: in the pod of the server, or by the same job that takes the hourly ones. */
export function dumpStep(component: Cache, site: SiteName, phase: Phase, title: string): PlannedStep {
  return {
    id: `${component.name}.dump@${site}`,
    component: component.name,
    action: 'dump',
    site,
    phase,
    needs: [],
    irreversible: false,
    deadline: minutes(30),
    expected: seconds(2),
    title,
    parameters: { job: backupJob(component) },
  }
}

export const dump: Behaviour<RedisSpec> = {
  async done(run) {
    const job = await kubernetesOf(run).get(jobRef(run), { signal: run.signal })
    // Whoever took it says which dump is its own (clocks of site and runner need not agree); the job's pod says it a
    // second before the job ends.
    const id = job === null ? await storedInPlace(run) : await dumpOfJob(run)
    if (id === null) {
      const unended: Progress | null =
        job === null ? { is: 'pending', waitingFor: 'the dump to begin' } : await jobProgress(run, job)
      if (unended !== null) return unended
    }
    const store = await run.context.objectStore(run.component.spec.backup.store, siteOf(run)).open('read')
    const found = id === null ? null : await readDump(store, `${backupFolder(run.component)}${id}`, run.signal)
    return found === null ? missing(run, job !== null) : { is: 'done', proof: { ...found } as unknown as JsonObject }
  },
  async apply(run) {
    if ((await kubernetesOf(run).get(jobRef(run), { signal: run.signal })) !== null || (await dumpInPlace(run))) return
    const { namespace } = run.component.spec
    const cron = await kubernetesOf(run).get(
      { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs', namespace, name: backupJob(run.component) },
      { signal: run.signal },
    )
    if (cron === null) throw new Error(`there is no CronJob ${namespace}/${backupJob(run.component)}: run a deploy`)
    const { spec } = (cron.spec as { jobTemplate: { spec: JsonObject } }).jobTemplate
    const labels = ownedBy(run.context.stack.name, run.component.name)
    await kubernetesOf(run).create(
      { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: jobName(run), namespace, labels }, spec },
      { signal: run.signal },
    )
  },
  changes: (run) => kubernetesOf(run).watch(jobRef(run), run.signal),
}

const missing = (run: Run, byJob: boolean): Progress => ({
  is: 'failed',
  code: 'dump-missing',
  why: `${byJob ? 'the backup job' : 'the pod of the server'} ended well and left no dump in the object store`,
  next: byJob ? logsOfJob(run) : 'Look at the object store: somebody has removed it.',
})

/** null: it ended well. A failed pod is reported at once, with its last words; the job itself would try for minutes. */
async function jobProgress(run: Run, job: KubernetesObject): Promise<Progress | null> {
  const status = (job.status ?? {}) as {
    readonly succeeded?: number
    readonly failed?: number
    readonly active?: number
  }
  if ((status.succeeded ?? 0) > 0) return null
  if ((status.failed ?? 0) > 0 && conditionOf(job, 'Failed')?.status === 'True')
    return {
      is: 'failed',
      code: 'dump-failed',
      why: await lastWords(run),
      next: logsOfJob(run),
    }
  const naming = { what: `the job ${jobName(run)}`, code: 'dump-failed' } as const
  const active = (status.active ?? 0) > 0
  const refused = active ? null : await waitOfRefused(kubernetesOf(run), job, naming, run.signal)
  return refused ?? { is: 'pending', waitingFor: naming.what }
}

const podsOfJob = (run: Run): Promise<KubernetesObject[]> =>
  kubernetesOf(run).list(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
    { namespace: run.component.spec.namespace, labelSelector: `batch.kubernetes.io/job-name=${jobName(run)}` },
    { signal: run.signal },
  )

async function dumpOfJob(run: Run): Promise<string | null> {
  for (const pod of await podsOfJob(run)) {
    const { containerStatuses } = pod.status as {
      containerStatuses?: readonly { state?: { terminated?: { exitCode: number; message?: string } } }[]
    }
    const ended = containerStatuses?.[0]?.state?.terminated
    if (ended?.exitCode === 0 && ended.message !== undefined) return ended.message
  }
  return null
}

async function lastWords(run: Run): Promise<string> {
  const { namespace } = run.component.spec
  const pod = (await podsOfJob(run)).at(-1)
  if (pod === undefined) return 'the backup job failed without a pod'
  const logs = await Promise.all(
    ['dump', 'upload'].map((container) =>
      kubernetesOf(run)
        .logs({ namespace, name: pod.metadata.name, container }, { tailLines: 5, signal: run.signal })
        .catch(() => ''),
    ),
  )
  return `the backup job failed: ${logs.join(' ').trim() || 'no log'}`
}

const logsOfJob = (run: Run): string =>
  `kubectl -n ${run.component.spec.namespace} logs job/${jobName(run)} --all-containers`
const jobName = (run: Run): string => `${String(run.step.parameters.job)}-${digitsOf(run.begunAt)}`
const jobRef = (run: Run) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  plural: 'jobs',
  namespace: run.component.spec.namespace,
  name: jobName(run),
})
