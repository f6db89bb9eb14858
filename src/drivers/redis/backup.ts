import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Phase } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, Seen } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { conditionOf } from '../../platform/kubernetes/client/conditions.ts'
import { ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { waitOfRefused } from '../../platform/kubernetes/refused-pods.ts'
import { type CataloguedDump, readDump } from '../../systems/redis/catalogue.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { digitsOf } from '../../values/stamp.ts'
import { codes } from './codes.ts'
import { dumpInPlace, storedInPlace } from './in-place.ts'
import type { Dump } from './parameters.ts'
import { dumpByHand } from './runbook.ts'
import { backupFolder, backupJob, type Cache, type RedisRun, type RedisSpec } from './spec.ts'

/** The dump that was taken, by its description in the object store. */
export interface DumpTaken extends CataloguedDump, Proof {}
type DumpRun = RedisRun<Dump>

/** A dump now: in the pod of the server, or by the same job that takes the scheduled ones. */
export const dumpStep = (
  component: Cache,
  site: SiteName,
  phase: Phase,
  title: string,
  more: { readonly mayBeginIn?: Phase } = {},
): DriverStep<Dump> =>
  planStep(dump, site, {
    phase,
    deadline: minutes(30),
    expected: seconds(2),
    title,
    parameters: { job: backupJob(component) },
    ...more,
  })

const behaviour: Plain<RedisSpec, Dump, DumpTaken> = {
  is: 'plain',
  async done(run) {
    const job = await kubernetesOf(run).get(jobRef(run), { signal: run.signal })
    // The pod that took the dump says which one it is (clocks of site and runner need not agree); the job's pod says it
    // a second before the job ends.
    const id = job === null ? await storedInPlace(run) : await dumpOfJob(run)
    if (id === null) {
      const pending = job === null ? NOT_BEGUN : await jobProgress(run, job)
      if (pending !== null) return pending
    }
    const store = await run.context.objectStore(run.component.spec.backup.store, siteOf(run)).open('read')
    const found = id === null ? null : await readDump(store, `${backupFolder(run.component)}${id}`, run.signal)
    return found === null ? missing(run, job !== null) : { is: 'done', proof: { ...found } }
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
  back: { is: 'leaves-nothing', because: 'one more dump in the object store is removed after its retention' },
}

export const dump: Action<RedisSpec, Dump, DumpTaken> = {
  name: 'dump',
  parameters: parametersOf<Dump>({ job: TEXT }),
  behaviour,
  byHand: dumpByHand,
}

type NotDone = Seen<never, never>
const NOT_BEGUN: NotDone = { is: 'pending', waitingFor: 'the dump to begin' }

const missing = (run: DumpRun, byJob: boolean): NotDone => ({
  is: 'failed',
  code: codes.code['dump-missing'],
  why: `${byJob ? 'the backup job' : 'the pod of the server'} ended well and left no dump in the object store`,
  next: byJob ? logsOfJob(run) : 'Look at the object store: the dump was removed.',
})

/** null: it ended well. A failed pod is reported at once, with its last words; the job itself would try for minutes. */
async function jobProgress(run: DumpRun, job: KubernetesObject): Promise<NotDone | null> {
  const status = (job.status ?? {}) as {
    readonly succeeded?: number
    readonly failed?: number
    readonly active?: number
  }
  if ((status.succeeded ?? 0) > 0) return null
  if ((status.failed ?? 0) > 0 && conditionOf(job, 'Failed')?.status === 'True')
    return {
      is: 'failed',
      code: codes.code['dump-failed'],
      why: await lastWords(run),
      next: logsOfJob(run),
    }
  const naming = { what: `the job ${jobName(run)}`, code: codes.code['dump-failed'] }
  const active = (status.active ?? 0) > 0
  const refused = active ? null : await waitOfRefused(kubernetesOf(run), job, naming, run.signal)
  return refused ?? { is: 'pending', waitingFor: naming.what }
}

const podsOfJob = (run: DumpRun): Promise<KubernetesObject[]> =>
  kubernetesOf(run).list(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
    { namespace: run.component.spec.namespace, labelSelector: `batch.kubernetes.io/job-name=${jobName(run)}` },
    { signal: run.signal },
  )

async function dumpOfJob(run: DumpRun): Promise<string | null> {
  for (const pod of await podsOfJob(run)) {
    const { containerStatuses } = pod.status as {
      containerStatuses?: readonly { state?: { terminated?: { exitCode: number; message?: string } } }[]
    }
    const ended = containerStatuses?.[0]?.state?.terminated
    if (ended?.exitCode === 0 && ended.message !== undefined) return ended.message
  }
  return null
}

async function lastWords(run: DumpRun): Promise<string> {
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

const logsOfJob = (run: DumpRun): string =>
  `kubectl -n ${run.component.spec.namespace} logs job/${jobName(run)} --all-containers`
const jobName = (run: DumpRun): string => `${run.step.parameters.job}-${digitsOf(run.begunAt)}`
const jobRef = (run: DumpRun) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  plural: 'jobs',
  namespace: run.component.spec.namespace,
  name: jobName(run),
})
