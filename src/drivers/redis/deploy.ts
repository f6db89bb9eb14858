import { accessKeys } from '../../clients/access-keys.ts'
import { isLogin } from '../../clients/object-store-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Deployment, DeployUnit } from '../../driver/deployment.ts'
import { objectsUnit } from '../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { waitOfRefused } from '../../platform/kubernetes/refused-pods.ts'
import { reasonItCannotStart, type WaitingContainer } from '../../platform/kubernetes/waiting-container.ts'
import { minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { assertMayBegin } from './how-to-begin.ts'
import { backupManifest, serverManifests, storeSecretManifest } from './manifests.ts'
import { type Cache, podOf } from './spec.ts'
import { assertUsablePassword } from './usable-password.ts'

/** The server and its hourly backup: both on every site; the backup is suspended on passive ones. */
export async function deployCache(
  component: Cache,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  await assertMayBegin(component, site, deployment, context)
  const kubernetes = context.platform(KUBERNETES, site)
  const { location } = context.objectStore(component.spec.backup.store, site)
  const common = { site, deadline: minutes(10), kubernetes }
  const server = `${component.name}.server@${site}`
  const { credentials } = location
  // Refused when the stack was loaded.
  if (isLogin(credentials))
    throw new Error(`${component.name} stores its dumps with keys, and ${component.spec.backup.store} has none`)
  const keysOfStore = () => accessKeys(credentials, (reference) => context.credential(reference, site))
  return [
    objectsUnit({
      ...common,
      id: server,
      needs: [],
      title: `${component.spec.name}: StatefulSet and Service`,
      declare: async (signal) => {
        await assertUsablePassword(component, site, context, signal)
        return [
          storeSecretManifest(component, context.stack, location, await keysOfStore()),
          ...serverManifests(component, context.stack, site, location),
        ]
      },
      ready: (signal) => serverIsReady(component, site, context, signal),
    }),
    objectsUnit({
      ...common,
      id: `${component.name}.backup@${site}`,
      needs: [server],
      title: `${component.spec.name}: scheduled dumps${deployment.roleOf(site) === 'passive' ? ', suspended while it is passive' : ''}`,
      declare: async () => [
        backupManifest(component, context.stack, site, location, deployment.roleOf(site) === 'passive'),
      ],
    }),
  ]
}

async function serverIsReady(
  component: Cache,
  site: SiteName,
  context: DriverContext,
  signal: AbortSignal,
): Promise<Progress> {
  const { namespace, name } = component.spec
  const kubernetes = context.platform(KUBERNETES, site)
  const set = await kubernetes.get(
    { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name },
    { signal },
  )
  const status = (set?.status ?? {}) as {
    readyReplicas?: number
    observedGeneration?: number
    updatedReplicas?: number
  }
  const current = status.observedGeneration === set?.metadata.generation && (status.updatedReplicas ?? 0) >= 1
  if (current && (status.readyReplicas ?? 0) >= 1) return { is: 'done', proof: { readyReplicas: 1 } }
  const pod = await kubernetes.get(
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace, name: podOf(component) },
    { signal },
  )
  const naming = { what: `${name} on ${site}`, code: codes.code['cache-does-not-start'] }
  const refused = pod === null ? await waitOfRefused(kubernetes, set, naming, signal) : null
  if (refused !== null) return refused
  const why = containerThatCannotStart(pod?.status as PodStatus | undefined)
  return why === null
    ? { is: 'pending', waitingFor: `${name} on ${site} to be ready` }
    : {
        is: 'failed',
        code: codes.code['cache-does-not-start'],
        why: `${name}: ${why}`,
        next: `kubectl -n ${namespace} describe pod ${podOf(component)}`,
      }
}

interface PodStatus {
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses?: readonly ContainerStatus[]
}
interface ContainerStatus {
  readonly name: string
  readonly state?: { readonly waiting?: WaitingContainer }
}

/** Faults that do not pass by waiting: a missing Secret or image, a container that ends again and again. */
function containerThatCannotStart(status: PodStatus | undefined): string | null {
  for (const container of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const why = reasonItCannotStart(container.state?.waiting)
    if (why !== null) return `${container.name}: ${why}`
  }
  return null
}
