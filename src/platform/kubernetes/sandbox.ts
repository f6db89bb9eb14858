import type { KubernetesClient, KubernetesObject, ResourceKind } from '../../clients/kubernetes-client.ts'
import { siteError } from '../../errors/standby-error.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'

/** Marks a namespace that restore tests may empty; nothing is ever removed from a namespace without it. */
export const SANDBOX_LABEL = 'standby.dev/sandbox'
/** Objects of the sandbox namespace that outlive a test: the identity that tests run with. */
export const KEEP_LABEL = 'standby.dev/keep'

/** The one namespace for restore tests of a stack, on each site. */
export const sandboxNamespace = (stack: string): string => `standby-restore-${stack}`

/** Refuses unless the namespace exists and is marked as a sandbox: an unmarked namespace belongs to others. */
export async function assertSandbox(kubernetes: KubernetesClient, namespace: string): Promise<void> {
  const found = await kubernetes.get({
    apiVersion: 'v1',
    kind: 'Namespace',
    plural: 'namespaces',
    namespace: null,
    name: namespace,
  })
  if (found?.metadata.labels?.[SANDBOX_LABEL] === 'true') return
  throw siteError(
    'sandbox-missing',
    found === null
      ? `the namespace ${namespace} does not exist`
      : `the namespace ${namespace} has no label ${SANDBOX_LABEL}=true`,
    { where: `${kubernetes.site} ${namespace}`, next: 'Create it with its roles: standby rbac | kubectl apply -f -' },
  )
}

/**
 * Removes all that is in the sandbox and proves that nothing is left. Throws `sandbox-not-empty` that names what
 * remains.
 */
export async function emptySandbox(
  kubernetes: KubernetesClient,
  namespace: string,
  around: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal; readonly deadline: Milliseconds },
): Promise<number> {
  await assertSandbox(kubernetes, namespace)
  const until = around.clock.now().getTime() + around.deadline
  const kinds = await removableKinds(kubernetes)
  const removed = new Set<string>()
  for (;;) {
    const left = await contentsOf(kubernetes, namespace, kinds)
    if (left.length === 0) return removed.size
    if (around.clock.now().getTime() > until)
      throw siteError(
        'sandbox-not-empty',
        `${namespace} could not be emptied within ${readableDuration(around.deadline)}: ${left.map(({ object }) => `${object.kind}/${object.metadata.name}`).join(', ')}`,
        {
          where: `${kubernetes.site} ${namespace}`,
          next: 'Look at the finalizers of what is left; the next restore test removes it first.',
        },
      )
    // What has an owner goes with it; removing the owner first lets its controller clean up.
    const owners = left.filter(({ object }) => (object.metadata.ownerReferences ?? []).length === 0)
    for (const { kind, object } of owners.length > 0 ? owners : left) {
      if (object.metadata.deletionTimestamp !== undefined) continue
      const deleted = await kubernetes.remove(
        { ...kind, namespace, name: object.metadata.name },
        { propagation: 'Background', signal: around.signal },
      )
      if (deleted) removed.add(`${object.kind}/${object.metadata.name}`)
    }
    await around.clock.sleep(500, around.signal)
  }
}

interface Held {
  readonly kind: ResourceKind
  readonly object: KubernetesObject
}

async function contentsOf(
  kubernetes: KubernetesClient,
  namespace: string,
  kinds: readonly ResourceKind[],
): Promise<Held[]> {
  const lists = await Promise.all(
    kinds.map(async (kind) =>
      (await kubernetes.list(kind, { namespace })).map(
        (object): Held => ({ kind, object: { ...object, kind: kind.kind } }),
      ),
    ),
  )
  return lists.flat().filter(({ object }) => !belongsToTheNamespace(object))
}

function belongsToTheNamespace(object: KubernetesObject): boolean {
  if (object.metadata.labels?.[KEEP_LABEL] === 'true') return true
  if (object.kind === 'ServiceAccount' && object.metadata.name === 'default') return true
  return object.kind === 'ConfigMap' && object.metadata.name === 'kube-root-ca.crt'
}

/** Kinds that Kubernetes makes and removes by itself. */
const DERIVED = new Set([
  'Event',
  'Endpoints',
  'EndpointSlice',
  'PodMetrics',
  'ControllerRevision',
  'CSIStorageCapacity',
])

interface ApiResource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

/**
 * Every namespaced kind of this cluster that can be listed and deleted, found by discovery: the core names no system.
 */
async function removableKinds(kubernetes: KubernetesClient): Promise<ResourceKind[]> {
  const groups = (await kubernetes.request('GET', '/apis')) as {
    groups: readonly { preferredVersion: { groupVersion: string } }[]
  }
  const paths = ['/api/v1', ...groups.groups.map((group) => `/apis/${group.preferredVersion.groupVersion}`)]
  const lists = await Promise.all(
    paths.map(async (path) => {
      const list = (await kubernetes.request('GET', path)) as {
        groupVersion: string
        resources: readonly ApiResource[]
      }
      return list.resources
        .filter(
          (resource) =>
            resource.namespaced &&
            !resource.name.includes('/') &&
            resource.verbs.includes('list') &&
            resource.verbs.includes('delete'),
        )
        .filter((resource) => !DERIVED.has(resource.kind))
        .map(
          (resource): ResourceKind => ({ apiVersion: list.groupVersion, kind: resource.kind, plural: resource.name }),
        )
    }),
  )
  return lists.flat()
}
