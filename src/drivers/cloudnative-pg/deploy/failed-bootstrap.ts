import type { KubernetesClient, KubernetesObject } from '../../../clients/kubernetes-client.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { AnyReasonCode } from '../../../errors/reason-codes.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { waitOfRefused } from '../../../platform/kubernetes/refused-pods.ts'
import { unlessForbidden } from '../../../platform/kubernetes/unless-forbidden.ts'
import { JOB, POD } from '../objects.ts'

interface PodObject extends KubernetesObject {
  readonly spec: {
    readonly containers: readonly { readonly name: string }[]
    readonly initContainers?: readonly { readonly name: string }[]
  }
  readonly status?: {
    readonly phase?: string
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } }
    }[]
  }
}

/** A cluster whose first instance is being made. */
export interface Bootstrapping {
  readonly kubernetes: KubernetesClient
  readonly namespace: string
  readonly cluster: string
}

export interface FailedBootstrap {
  readonly pod: string
  /** How many failed so far. */
  readonly pods: number
  /** The lines that say why. */
  readonly log: string
}

/** What barman and PostgreSQL write when they give up; the instance manager's own lines say less. */
const TELLING = /FATAL|PANIC|ERROR|unexpected end|no backup found|no target backup|Expected empty archive|General error/

/**
 * The first pod of a bootstrap job (initdb, recovery) that failed, with its log. The operator itself gives up after 7
 * pods and 12 minutes; the first one tells the same after 20 to 50 s.
 */
export async function failedBootstrap(at: Bootstrapping, signal: AbortSignal): Promise<FailedBootstrap | null> {
  const all = (await bootstrapPods(at, signal)).filter((pod) => pod.status?.phase === 'Failed')
  const failed = all[0]
  if (failed === undefined) return null
  const containers = [...failed.spec.containers, ...(failed.spec.initContainers ?? [])].map(
    (container) => container.name,
  )
  const logs = await Promise.all(
    containers.map((container) =>
      at.kubernetes
        .logs({ namespace: at.namespace, name: failed.metadata.name, container }, { tailLines: 200, signal })
        .catch(() => ''),
    ),
  )
  return { pod: failed.metadata.name, pods: all.length, log: tellingLines(logs.join('\n')) }
}

/**
 * Why a bootstrap pod cannot begin (no image, no volume, no room): the cluster's trouble, not the backup's. Null when
 * it can.
 */
export async function stuckBootstrap(at: Bootstrapping, signal: AbortSignal): Promise<string | null> {
  for (const pod of await bootstrapPods(at, signal)) {
    const scheduled = conditionOf(pod, 'PodScheduled')
    if (scheduled?.status === 'False') return `${pod.metadata.name}: ${scheduled.message ?? 'not scheduled'}`
    const waiting = pod.status?.containerStatuses
      ?.map((status) => status.state?.waiting)
      .find((state) => /Image|Config/.test(state?.reason ?? ''))
    if (waiting !== undefined) return `${pod.metadata.name}: ${waiting.reason}: ${waiting.message ?? ''}`
  }
  return null
}

/**
 * Whether the pods of a job that makes an instance (initdb, recovery, join) are refused; null: none is, or this
 * identity may not see jobs.
 */
export async function refusedBootstrap(
  { kubernetes, namespace, cluster }: Bootstrapping,
  code: AnyReasonCode,
  signal: AbortSignal,
): Promise<Exclude<Progress, { readonly is: 'done' }> | null> {
  const labelSelector = `cnpg.io/cluster=${cluster},cnpg.io/jobRole`
  const jobs = await unlessForbidden(
    () => kubernetes.list(JOB, { namespace, labelSelector }, { signal }),
    () => [],
  )
  for (const job of jobs) {
    const { active = 0, succeeded = 0 } = (job.status ?? {}) as {
      readonly active?: number
      readonly succeeded?: number
    }
    if (active > 0 || succeeded > 0) continue
    const naming = { what: `the job ${job.metadata.name} of ${cluster}`, code }
    const refused = await waitOfRefused(kubernetes, job, naming, signal)
    if (refused !== null) return refused
  }
  return null
}

async function bootstrapPods(at: Bootstrapping, signal: AbortSignal): Promise<PodObject[]> {
  const labelSelector = `cnpg.io/cluster=${at.cluster},cnpg.io/jobRole`
  return (await at.kubernetes.list(POD, { namespace: at.namespace, labelSelector }, { signal })) as PodObject[]
}

/** The last lines that name a cause, without the JSON around them. */
export function tellingLines(log: string): string {
  const messages = log
    .split('\n')
    .map(messageOf)
    .filter((line) => line !== '')
  const telling = messages.filter((line) => TELLING.test(line))
  return [...new Set((telling.length > 0 ? telling : messages).slice(-6))].join(' | ').slice(0, 1_000)
}

function messageOf(line: string): string {
  if (!line.startsWith('{')) return line.trim()
  try {
    const entry = JSON.parse(line) as {
      readonly level?: string
      readonly msg?: string
      readonly error?: string
      readonly record?: { readonly error_severity?: string; readonly message?: string }
    }
    if (entry.record !== undefined) return `${entry.record.error_severity ?? ''} ${entry.record.message ?? ''}`.trim()
    return [entry.level === 'error' ? 'ERROR' : '', entry.msg ?? '', entry.error ?? '']
      .filter((part) => part !== '')
      .join(' ')
  } catch {
    return line.trim()
  }
}
