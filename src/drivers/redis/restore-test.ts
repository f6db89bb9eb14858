import type { KubernetesClient, KubernetesObject, PodReference } from '../../clients/kubernetes-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { Check, Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { RestoreTestReport } from '../../driver/restore-test.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { SMALL, sized } from '../../platform/kubernetes/pod-resources.ts'
import { type CataloguedDump, newestOrDamage } from '../../systems/redis/catalogue.ts'
import { checkOf, judgeAge, judgeKeys, judgeLoading, judgeSize } from '../../systems/redis/judge-loaded.ts'
import { deadlineAfter } from '../../waiting/deadline.ts'
import { waitUntilDone } from '../../waiting/wait-until.ts'
import type { RestoreRequest } from './in-place.ts'
import { confined, databasesVariable, oneUser } from './manifests.ts'
import { FETCH, LOAD, SERVE } from './scripts.ts'
import { askServer, type ServerFacts } from './server.ts'
import { backupFolder, type Cache, sizesOf } from './spec.ts'

/** Loads the newest dump into a scratch Redis, the same way as a move does, and counts. */
export async function testRestore(
  component: Cache,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const { location, open } = context.objectStore(component.spec.backup.store, source)
  const store = await open('read')
  const dump = await newestOrDamage(store, backupFolder(component), context.signal)
  if (dump === null || typeof dump === 'string') {
    const found = dump ?? 'none'
    const check = checkOf(component)('has-backup', false, 'a complete dump', found)
    return {
      backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null },
      checks: [check],
      restoreDuration: 0,
    }
  }
  const begun = context.clock.now().getTime()
  const pod: PodReference = { namespace: sandbox.namespace, name: `${component.name}-restored`, container: 'redis' }
  const kubernetes = context.platform(KUBERNETES, sandbox.site)
  const url = await store.presignedGet(`${dump.name}.rdb`, sandbox.deadline)
  for (const object of scratch(
    component,
    sandbox,
    pod,
    { id: dump.name.split('/').at(-1) ?? '', url, sha256: dump.sha256, authorities: location.authorities ?? '' },
    await passwordOf(component, sandbox, context),
  ))
    await kubernetes.apply(object, { force: true, signal: context.signal })
  let failure: string | null = null
  try {
    await waitUntilDone(() => podProgress(kubernetes, pod, context.signal), {
      what: 'the restored cache',
      clock: context.clock,
      signal: context.signal,
      deadline: deadlineAfter(sandbox.deadline),
      waiting: (what) => context.log.info(`${component.name}: waiting for ${what}`),
    })
  } catch (error) {
    context.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (reason.mustAct === 'defect') throw reason
    failure = reason.message
  }
  const restoreDuration = context.clock.now().getTime() - begun
  const facts = failure === null ? await askServer(kubernetes, pod, context.signal) : null
  return {
    backup: { id: dump.name, takenAt: dump.takenAt, bytes: dump.bytes },
    checks: judge(component, dump, facts, failure, context),
    restoreDuration,
    ...(facts === null
      ? {}
      : {
          endpoint: {
            kind: 'redis',
            host: `${pod.name}.${sandbox.namespace}.svc`,
            port: 6379,
            credentials: { name: `${pod.name}-request`, keys: { password: 'password' } },
          },
        }),
  }
}

/** Pure. */
export function judge(
  component: Cache,
  dump: CataloguedDump,
  facts: ServerFacts | null,
  failure: string | null,
  context: Pick<DriverContext, 'clock' | 'stack'>,
): Check[] {
  const checks = [
    judgeSize(component, dump),
    judgeLoading(component, failure),
    judgeAge(component, dump.takenAt, context.clock.now(), context.stack.objectives.backupAge),
  ]
  if (facts === null) return checks
  return [
    ...checks,
    judgeKeys(component, dump, facts),
    checkOf(component)('eviction', facts.policy === 'noeviction', 'maxmemory-policy noeviction', facts.policy),
  ]
}

async function passwordOf(component: Cache, sandbox: Sandbox, context: DriverContext): Promise<string> {
  const { namespace, password } = component.spec
  return context.credential({ secret: { namespace, name: password.secret, key: password.key } }, sandbox.site)
}

/** A pod without a volume that outlives it, and a Secret with the request; nothing here can write to the store. */
export function scratch(
  component: Cache,
  sandbox: Sandbox,
  pod: PodReference,
  request: Omit<RestoreRequest, 'otherwise'>,
  password: string,
): KubernetesObject[] {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const metadata = (name: string) => ({
    name,
    namespace: sandbox.namespace,
    labels: { ...sandbox.labels, 'standby.dev/restored': component.name },
  })
  const data = { name: 'data', mountPath: '/data' }
  const asked = { name: 'request', mountPath: '/request' }
  const resources = sizesOf(component)
  const pull = { imagePullPolicy: 'IfNotPresent', securityContext: confined }
  const secret = `${pod.name}-request`
  const env = (name: string) => ({ name, valueFrom: { secretKeyRef: { name: secret, key: 'password' } } })
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata(secret),
      type: 'Opaque',
      data: {
        ...Object.fromEntries(Object.entries(request).map(([key, value]) => [key, base64(value)])),
        password: base64(password),
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(pod.name),
      spec: {
        selector: { 'standby.dev/restored': component.name },
        ports: [{ name: 'redis', port: 6379, targetPort: 6379 }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: metadata(pod.name),
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        securityContext: oneUser,
        initContainers: [
          {
            name: 'fetch',
            image: component.spec.backup.images.upload,
            ...pull,
            resources: sized(SMALL),
            command: ['sh', '-c', FETCH],
            volumeMounts: [data, asked],
          },
          {
            name: 'load',
            image: component.spec.image,
            ...pull,
            resources,
            command: ['sh', '-c', LOAD],
            volumeMounts: [data, asked],
          },
        ],
        containers: [
          {
            name: 'redis',
            image: component.spec.image,
            ...pull,
            resources,
            command: ['sh', '-c', SERVE],
            env: [env('REDIS_PASSWORD'), env('REDISCLI_AUTH'), databasesVariable(component)],
            readinessProbe: { exec: { command: ['sh', '-c', '[ "$(redis-cli ping)" = PONG ]'] }, periodSeconds: 1 },
            volumeMounts: [data, { name: 'run', mountPath: '/run/redis' }],
          },
        ],
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'run', emptyDir: { medium: 'Memory' } },
          { name: 'request', secret: { secretName: secret } },
        ],
      },
    },
  ]
}

async function podProgress(kubernetes: KubernetesClient, pod: PodReference, signal: AbortSignal): Promise<Progress> {
  const found = await kubernetes.get(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace: pod.namespace, name: pod.name },
    { signal },
  )
  const { phase } = (found?.status ?? {}) as { readonly phase?: string }
  if (phase === 'Failed') {
    const logs = await Promise.all(
      ['fetch', 'load', 'redis'].map((container) =>
        kubernetes.logs({ ...pod, container }, { tailLines: 4, signal }).catch(() => ''),
      ),
    )
    return {
      is: 'failed',
      code: 'restore-failed',
      why: logs.join(' ').replaceAll(/\s+/g, ' ').trim().slice(0, 600) || 'the pod failed',
    }
  }
  return isReady(found)
    ? { is: 'done', proof: {} }
    : { is: 'pending', waitingFor: `the pod ${pod.name} (${phase ?? 'not begun'})` }
}
