import { readFile } from 'node:fs/promises'
import type { KubernetesObject, ObjectReference } from '../../src/clients/kubernetes-client.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import type { LabEnvironment } from '../environment.ts'
import { type LabStack, labStacks } from '../stacks.ts'

/** Field manager and interval of Argo CD's application controller and its self-heal. */
const MANAGER = 'argocd-controller'
const EVERY = 5_000

export interface OtherController {
  /** From now on it writes. */
  start(): void
  /** Pauses it; resolves when none of its writes is in flight any more. */
  stop(): Promise<void>
}

/**
 * A small real controller with a field manager of its own: it keeps what Helm manages of both applications (workloads
 * with replicas and pod template, services), and the direction of both databases where it keeps those too, as they are
 * when it is made, by a forced server-side apply every five seconds.
 */
export async function otherController(
  lab: LabEnvironment,
  stack: LabStack,
  keeps: { readonly databases: boolean },
): Promise<OtherController> {
  const { namespace } = labStacks[stack.name]
  const stopping = new AbortController()
  const kept = await Promise.all(
    lab.sites.map(async ({ name, kubeconfig }) => {
      const client = openKubernetes({
        site: name,
        kubeconfig: await readFile(kubeconfig, 'utf8'),
        signal: stopping.signal,
      })
      const cluster: ObjectReference = { ...CLUSTER, namespace, name: `pg-${name}` }
      const ofHelm = { namespace, labelSelector: 'app.kubernetes.io/managed-by=Helm' }
      const [database, workloads, services] = await Promise.all([
        client.get(cluster),
        client.list(DEPLOYMENT, ofHelm),
        client.list(SERVICE, ofHelm),
      ])
      if (database === null || workloads.length === 0) throw new Error(`${name} has no database or no release to keep`)
      const wanted = [
        ...(keeps.databases ? [only(database, { replica: directionOf(database) })] : []),
        ...[...workloads, ...services].map((one) => only(one, one.spec as object)),
      ]
      return { client, wanted }
    }),
  )
  const keep = async (): Promise<void> => {
    const writes = kept.flatMap(({ client, wanted }) =>
      wanted.map((object) => client.apply(object, { force: true, fieldManager: MANAGER, signal: stopping.signal })),
    )
    // A write that is refused, such as by the operator's webhook during a demotion, is tried again in five seconds.
    await Promise.allSettled(writes)
  }
  let timer: ReturnType<typeof setInterval> | null = null
  let writing = Promise.resolve()
  const tick = (): void => {
    writing = writing.then(keep)
  }
  return {
    start() {
      if (timer !== null) return
      tick()
      timer = setInterval(tick, EVERY)
    },
    async stop() {
      if (timer !== null) clearInterval(timer)
      await writing
      stopping.abort()
    },
  }
}

const CLUSTER = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', plural: 'clusters' } as const
const SERVICE = { apiVersion: 'v1', kind: 'Service', plural: 'services' } as const
const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' } as const

/** One part of an object, as it would stand in a Git repository. */
const only = (
  { apiVersion, kind, metadata: { name, namespace } }: KubernetesObject,
  spec: object,
): KubernetesObject => ({
  apiVersion,
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  spec,
})

/** Without the token, which no Git repository holds. */
function directionOf({ spec }: KubernetesObject): object {
  const { self, primary, source } =
    (spec as { replica?: { self?: string; primary?: string; source?: string } }).replica ?? {}
  return {
    ...(self === undefined ? {} : { self }),
    ...(primary === undefined ? {} : { primary }),
    ...(source === undefined ? {} : { source }),
  }
}
