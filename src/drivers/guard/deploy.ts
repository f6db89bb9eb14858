import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { GUARD } from '../../guard/names.ts'
import { reportIn } from '../../guard/report.ts'
import { objectsUnit } from '../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { waitOfRefused } from '../../platform/kubernetes/refused-pods.ts'
import { reasonItCannotStart, type WaitingContainer } from '../../platform/kubernetes/waiting-container.ts'
import { readNamedFile } from '../../stack/named-files.ts'
import { minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { configurationOf, type GuardParts, guardManifests, guardSelector } from './manifests.ts'
import { guardNamespace } from './namespace.ts'
import { readProgram } from './program.ts'
import type { GuardComponent } from './spec.ts'
import { witnessKeys } from './witness-keys.ts'

/**
 * The guard of one site, the same on active and passive ones; ready when the new one itself reports that it watches.
 */
export async function deployGuard(
  component: GuardComponent,
  site: SiteName,
  _deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const { stack } = context
  const kubernetes = context.platform(KUBERNETES, site)
  const parts: GuardParts = {
    program: await readProgram(),
    stackFile: await readFile(stack.source.path, 'utf8'),
    keys: await witnessKeys(component.spec.witnessCredentials, (reference) => context.credential(reference, site)),
    authorities:
      typeof stack.witness.spec.endpointCA === 'string'
        ? await readNamedFile(stack, stack.witness.spec.endpointCA)
        : null,
  }
  const configuration = configurationOf(component, site, parts)
  const unit = objectsUnit({
    id: `${component.name}.guard@${site}`,
    site,
    needs: [],
    title: `The guard of ${site}: it keeps the site closed while it is not the active one`,
    deadline: minutes(5),
    kubernetes,
    declare: async () => guardManifests(component, stack, site, parts),
    ready: (signal) => guardIsReady(kubernetes, stack.name, configuration, signal),
  })
  return [{ ...unit, diff: async (signal) => (await unit.diff(signal)).map(shortened) }]
}

/** The hash in place of the content: the bundle would be 300 KB in a report. */
function shortened(change: Change): Change {
  if (!/^(binaryData|data)\b/.test(change.path ?? '')) return change
  const hashed = (value: Change['from']) =>
    value === undefined
      ? undefined
      : `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)}`
  const { from, to, ...rest } = change
  return {
    ...rest,
    ...(from === undefined ? {} : { from: hashed(from) ?? null }),
    ...(to === undefined ? {} : { to: hashed(to) ?? null }),
  }
}

export const reportReference = (stack: string) =>
  ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    plural: 'configmaps',
    namespace: guardNamespace(stack),
    name: GUARD,
  }) as const
export const deploymentReference = (stack: string) =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    plural: 'deployments',
    namespace: guardNamespace(stack),
    name: GUARD,
  }) as const

async function guardIsReady(
  kubernetes: KubernetesClient,
  stack: string,
  configuration: string,
  signal: AbortSignal,
): Promise<Progress> {
  const namespace = guardNamespace(stack)
  const report = reportIn((await kubernetes.get(reportReference(stack), { signal }))?.data)
  if (report?.configuration === configuration)
    return { is: 'done', proof: { decision: report.decision, because: report.because, epoch: report.epoch } }
  const labelSelector = Object.entries(guardSelector)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
  const pods = await kubernetes.list(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
    { namespace, labelSelector },
    { signal },
  )
  for (const pod of pods) {
    const { containerStatuses = [] } = (pod.status ?? {}) as { readonly containerStatuses?: readonly ContainerStatus[] }
    const why = reasonItCannotStart(containerStatuses[0]?.state?.waiting)
    if (why !== null)
      return {
        is: 'failed',
        code: codes.code['guard-does-not-start'],
        why: `${pod.metadata.name}: ${why}`,
        next: `kubectl -n ${namespace} describe pod ${pod.metadata.name}`,
      }
  }
  const deployment = await kubernetes.get(deploymentReference(stack), { signal })
  const refused = await waitOfRefused(
    kubernetes,
    deployment,
    { what: `the guard in ${namespace}`, code: codes.code['guard-does-not-start'] },
    signal,
  )
  return refused ?? { is: 'pending', waitingFor: `the new guard to report from ${namespace}` }
}
interface ContainerStatus {
  readonly state?: { readonly waiting?: WaitingContainer }
}
