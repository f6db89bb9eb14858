import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, Seen } from '../../driver/behaviour.ts'
import { parametersOf } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { runningFor } from '../../driver/running-for.ts'
import { conditionOf } from '../../platform/kubernetes/client/conditions.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import { isHopeless, type WaitingContainer } from '../../platform/kubernetes/waiting-container.ts'
import type { None } from '../../systems/application/prove-identity.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { digitsOf } from '../../values/stamp.ts'
import { codes } from './codes.ts'
import { pullImagesByHand } from './runbook.ts'
import { type Application, type HelmReleaseSpec, type ReleaseRun, workloadRef } from './spec.ts'
import { POD } from './workload.ts'

const JOB = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' } as const

/**
 * On a passive site nothing runs, so its images are first needed while users are shut out. This step brings them to a
 * node before that.
 */
export const pullImagesStep = (component: Application, site: SiteName): DriverStep<None> =>
  planStep(pullImages, site, {
    phase: 'PREFLIGHT',
    title: `Has a node of ${site} pull the images of ${component.spec.workload.name}, and runs nothing of them`,
    deadline: minutes(10),
    expected: seconds(2),
    parameters: {},
  })

interface ImagesPulled extends Proof {
  /** null: unknown whether they are there. */
  readonly images: readonly string[] | null
}

/** `not-tried`: the identity may not create the job. */
const behaviour: Plain<HelmReleaseSpec, None, ImagesPulled, 'not-tried'> = {
  is: 'plain',
  async done(run) {
    const kubernetes = kubernetesOf(run)
    const { namespace } = run.component.spec
    if (run.memory.value === 'not-tried') return { is: 'done', proof: { images: null } }
    const job = await kubernetes.get({ ...JOB, namespace, name: jobName(run) }, { signal: run.signal })
    if (job === null)
      return { is: 'pending', waitingFor: `a job that pulls the images of ${run.component.spec.workload.name}` }
    const labelSelector = `job-name=${jobName(run)}`
    const [pod] = await kubernetes.list(POD, { namespace, labelSelector }, { signal: run.signal })
    if (pod === undefined || conditionOf(pod, 'PodScheduled')?.status !== 'True') {
      if (runningFor(run) < UNPLACED) return { is: 'pending', waitingFor: `a node for ${jobName(run)}` }
      // A policy of the cluster may refuse this pod and admit the application's own: an unknown result does not end the
      // move.
      run.context.log.warning(
        `${run.step.id}: no pod of ${jobName(run)} has come to a node, so it is unknown whether the images are there`,
      )
      return { is: 'done', proof: { images: null } }
    }
    return pulled(pod, `kubectl -n ${namespace} describe pod ${pod.metadata.name}`)
  },

  async apply(run) {
    const kubernetes = kubernetesOf(run)
    const workload = await kubernetes.get(workloadRef(run.component), { signal: run.signal })
    if (workload === null) throw new Error(`there is no ${run.component.spec.workload.name} on ${siteOf(run)} any more`)
    await unlessForbidden(
      () => createJob(kubernetes, jobOf(run, workload), run.signal),
      ({ message, next = '' }) => {
        run.memory.set('not-tried')
        run.context.log.warning(`${run.step.id}: it is unknown whether the images are there: ${message}. ${next}`)
      },
    )
  },
  changes: (run) =>
    kubernetesOf(run).watchAll(
      POD,
      { namespace: run.component.spec.namespace, labelSelector: `job-name=${jobName(run)}` },
      run.signal,
    ),
  back: {
    is: 'leaves-nothing',
    because: 'its job is removed a minute after its end, and images on a node hurt nothing',
  },
}

export const pullImages: Action<HelmReleaseSpec, None, ImagesPulled> = {
  name: 'pull-images',
  parameters: parametersOf<None>({}),
  behaviour,
  byHand: pullImagesByHand,
}

/** An earlier call of the same step may have made it. */
async function createJob(kubernetes: KubernetesClient, job: KubernetesObject, signal: AbortSignal): Promise<void> {
  const { namespace = '', name } = job.metadata
  if ((await kubernetes.get({ ...JOB, namespace, name }, { signal })) === null) await kubernetes.create(job, { signal })
}

/** Longer than a scheduler and a mutating webhook take. */
const UNPLACED: Milliseconds = seconds(30)

const jobName = (run: ReleaseRun): string =>
  `${run.component.spec.workload.name.slice(0, 30)}-images-${digitsOf(run.begunAt)}`

interface PodSpec extends JsonObject {
  readonly containers?: readonly ContainerSpec[]
  readonly initContainers?: readonly ContainerSpec[]
}
interface ContainerSpec extends JsonObject {
  readonly name: string
  readonly image: string
}

/** Fields that decide on which node a pod of the workload runs, and with which keys its images are pulled. */
const PLACED_BY = [
  ...['serviceAccountName', 'imagePullSecrets', 'nodeSelector', 'affinity', 'tolerations', 'topologySpreadConstraints'],
  ...['runtimeClassName', 'priorityClassName', 'schedulerName', 'securityContext', 'hostUsers'],
]
const OF_CONTAINER = ['name', 'image', 'imagePullPolicy', 'securityContext', 'resources']
/** No image has this program: the kubelet pulls the image and cannot start the container. */
const NO_PROGRAM = '/standby-starts-nothing-here'

/**
 * One container for each of the workload's, without its program, volumes and environment. It is removed by Kubernetes a
 * minute after its end.
 */
function jobOf(run: ReleaseRun, workload: KubernetesObject): KubernetesObject {
  const { namespace } = run.component.spec
  const template =
    (workload.spec as { readonly template?: { readonly spec?: PodSpec } } | undefined)?.template?.spec ?? {}
  const containers = [...(template.initContainers ?? []), ...(template.containers ?? [])]
  return {
    apiVersion: JOB.apiVersion,
    kind: JOB.kind,
    metadata: { name: jobName(run), namespace, labels: { 'app.kubernetes.io/managed-by': 'standby' } },
    spec: {
      backoffLimit: 0,
      ttlSecondsAfterFinished: 60,
      activeDeadlineSeconds: 600,
      template: {
        spec: {
          ...only(template, PLACED_BY),
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          containers: containers.map((container) => ({ ...only(container, OF_CONTAINER), command: [NO_PROGRAM] })),
        },
      },
    },
  }
}

const only = (from: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)))

interface StatusOfContainer {
  readonly name: string
  readonly image?: string
  readonly imageID?: string
  readonly state?: { readonly waiting?: WaitingContainer; readonly running?: object; readonly terminated?: object }
}

/** Reads the kubelet's report of each container: one that could not start has its image. Pure. */
export function pulled(pod: KubernetesObject, next: string): Seen<ImagesPulled, never> {
  const containers = (pod.spec as { readonly containers?: readonly ContainerSpec[] } | undefined)?.containers ?? []
  const statuses =
    (pod.status as { readonly containerStatuses?: readonly StatusOfContainer[] } | undefined)?.containerStatuses ?? []
  const statusOf = (name: string): StatusOfContainer | undefined => statuses.find((one) => one.name === name)
  for (const { name, image } of containers) {
    const waiting = statusOf(name)?.state?.waiting
    if (waiting !== undefined && isHopeless(waiting))
      return {
        is: 'failed',
        code: codes.code['image-missing'],
        why: `${image}: ${waiting.reason} ${waiting.message ?? ''}`.trim(),
        next,
      }
  }
  const missing = containers.filter(({ name }) => !isThere(statusOf(name))).map(({ image }) => image)
  return missing.length === 0
    ? { is: 'done', proof: { images: containers.map(({ image }) => image) } }
    : { is: 'pending', waitingFor: `the kubelet to pull ${[...new Set(missing)].join(', ')}` }
}

/** Reasons of a container whose image is there, and that does not start. */
const AFTER_THE_PULL = new Set(['RunContainerError', 'CreateContainerError', 'CrashLoopBackOff'])
const isThere = (status: StatusOfContainer | undefined): boolean =>
  status !== undefined &&
  ((status.imageID ?? '') !== '' ||
    status.state?.running !== undefined ||
    status.state?.terminated !== undefined ||
    AFTER_THE_PULL.has(status.state?.waiting?.reason ?? ''))
