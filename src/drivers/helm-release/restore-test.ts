import { parseAllDocuments } from 'yaml'
import type { KubernetesObject, PodReference } from '../../clients/kubernetes-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { Check, Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { RestoreTestReport } from '../../driver/restore-test.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { canaryCheck } from '../../systems/application/canary.ts'
import { sameInstance } from '../../systems/application/same-instance.ts'
import type { JsonObject } from '../../values/json.ts'
import { deadlineAfter } from '../../waiting/deadline.ts'
import { waitUntilDone } from '../../waiting/wait-until.ts'
import { readCanary } from './canary.ts'
import { codes } from './codes.ts'
import { chartArguments, withHelm } from './helm.ts'
import { withRestoredEndpoints } from './restored-endpoint.ts'
import { type Application, valuesFiles, workloadRef } from './spec.ts'
import { fatalReason } from './workload.ts'

/** Starts one pod of the application on the restored copies, with the passive site's own key, and asks it who it is. */
export async function testRestored(
  component: Application,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const begun = context.clock.now()
  const checks: Check[] = [await sameInstance(component, source, sandbox, context)]
  const report = { backup: { id: component.spec.release, takenAt: begun.toISOString(), bytes: null } }
  if (component.spec.restoreTest === undefined) return { ...report, checks, restoreDuration: 0 }
  const pod: PodReference = {
    namespace: sandbox.namespace,
    name: `${component.name}-restored`,
    container: component.spec.workload.container,
  }
  const kubernetes = context.platform(KUBERNETES, sandbox.site)
  for (const object of await scratch(component, sandbox, pod, context))
    await kubernetes.apply(object, { force: true, signal: context.signal })
  try {
    await waitUntilDone(() => progressOf(component, sandbox, pod, context), {
      what: 'the application on restored data',
      clock: context.clock,
      signal: context.signal,
      deadline: deadlineAfter(sandbox.deadline),
      waiting: (what) => context.log.info(`${component.name}: waiting for ${what}`),
    })
    checks.push(check(component, 'starts', true, 'ready'))
    if (component.spec.canary !== undefined)
      checks.push(
        canaryCheck(component, await readCanary(component.spec.canary, kubernetes, pod, sandbox.site, context)),
      )
  } catch (error) {
    context.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (reason.mustAct === 'defect') throw reason
    checks.push(check(component, 'starts', false, reason.message))
  }
  return { ...report, checks, restoreDuration: context.clock.now().getTime() - begun.getTime() }
}

const check = (component: Application, id: string, good: boolean, found: string): Check => ({
  id,
  component: component.name,
  outcome: good ? 'pass' : 'fail',
  expected: 'the application starts on the restored data',
  found,
})

async function progressOf(
  component: Application,
  sandbox: Sandbox,
  pod: PodReference,
  context: DriverContext,
): Promise<Progress> {
  const kubernetes = context.platform(KUBERNETES, sandbox.site)
  const found = await kubernetes.get(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace: pod.namespace, name: pod.name },
    { signal: context.signal },
  )
  if (found === null) return { is: 'pending', waitingFor: `the pod ${pod.name}` }
  const { phase } = (found.status ?? {}) as { readonly phase?: string }
  const reason = await fatalReason(kubernetes, found, context.signal)
  if (phase === 'Failed' || reason !== null) {
    const log = await kubernetes.logs(pod, { tailLines: 6, signal: context.signal }).catch(() => '')
    return {
      is: 'failed',
      code: codes.code['application-refuses'],
      why: reason ?? (log.trim().split('\n').slice(-3).join(' | ') || 'the pod failed'),
    }
  }
  return isReady(found)
    ? { is: 'done', proof: {} }
    : { is: 'pending', waitingFor: `${component.name} to be ready on restored data` }
}

/** One bare pod of the chart's own template: no ingress, no workers, no way out but to the restored copies. */
async function scratch(
  component: Application,
  sandbox: Sandbox,
  pod: PodReference,
  context: DriverContext,
): Promise<KubernetesObject[]> {
  const declared = component.spec.restoreTest
  if (declared === undefined) return []
  const values = [...valuesFiles(component, 'active'), ...(declared.values ?? [])]
  const rendered = await withHelm(sandbox.site, context, (helm) =>
    helm(['template', component.spec.release, ...chartArguments(component, context, values), '--no-hooks']),
  )
  const ref = workloadRef(component)
  const workload = parseAllDocuments(rendered)
    .map((document) => document.toJS() as KubernetesObject | null)
    .find((object) => object?.kind === ref.kind && object.metadata.name === ref.name)
  const template = (workload?.spec as { template?: { spec?: JsonObject } } | undefined)?.template?.spec
  if (template === undefined)
    throw siteError('workload-missing', `the chart renders no ${ref.kind} ${ref.name}`, {
      next: 'Correct workload in the stack file.',
    })
  const containers = (
    template.containers as unknown as readonly { name: string; envFrom?: unknown; env?: readonly { name: string }[] }[]
  ).filter((container) => container.name === component.spec.workload.container)
  const own = await environmentOf(component, sandbox, context)
  const secret = `${pod.name}-environment`
  const metadata = {
    namespace: sandbox.namespace,
    labels: { ...sandbox.labels, 'standby.dev/restored': component.name },
  }
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: { ...metadata, name: secret }, type: 'Opaque', data: own },
    egressPolicy(component, metadata),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: pod.name },
      spec: {
        ...template,
        serviceAccountName: 'default',
        automountServiceAccountToken: false,
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        containers: containers.map((container) => ({
          ...container,
          envFrom: [{ secretRef: { name: secret } }],
          env: (container.env ?? []).filter(({ name }) => own[name] === undefined),
        })),
      },
    },
  ]
}

/** The passive site's own Secret, with the addresses of the restored copies in place of the real ones. */
async function environmentOf(
  component: Application,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<Record<string, string>> {
  const declared = component.spec.restoreTest
  if (declared === undefined) return {}
  const ref = {
    apiVersion: 'v1',
    kind: 'Secret',
    plural: 'secrets',
    namespace: component.spec.namespace,
    name: declared.secret,
  }
  const found = await context.platform(KUBERNETES, sandbox.site).get(ref, { signal: context.signal })
  if (found === null)
    throw siteError('secret-missing', `there is no Secret ${component.spec.namespace}/${declared.secret}`, {
      where: sandbox.site,
    })
  const replaced = await Promise.all(
    Object.entries(declared.environment).map(
      async ([name, value]) =>
        [
          name,
          Buffer.from(await withRestoredEndpoints(value, component, sandbox, context)).toString('base64'),
        ] as const,
    ),
  )
  return { ...(found.data as Record<string, string>), ...Object.fromEntries(replaced) }
}

function egressPolicy(
  component: Application,
  metadata: { namespace: string; labels: Record<string, string> },
): KubernetesObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { ...metadata, name: `${component.name}-restored` },
    spec: {
      podSelector: { matchLabels: { 'standby.dev/restored': component.name } },
      policyTypes: ['Egress'],
      egress: [
        { to: [{ podSelector: {} }] },
        {
          to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
      ],
    },
  }
}
