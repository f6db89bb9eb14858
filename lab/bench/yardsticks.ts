import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import { sshRunner } from '../../src/clients/ssh.ts'
import type { LabEnvironment } from '../environment.ts'
import { execute } from '../execute.ts'
import { type LabStack, labStacks } from '../stacks.ts'
import type { SiteName } from '../topology.ts'
import { tellWitness } from '../witness.ts'
import { newestDump } from './newest-dump.ts'

/**
 * The yardsticks of the benchmark. Both do what a move must do for users (traffic closed, application stopped, database moved without loss,
 * application started, traffic opened) and nothing else: no plan, no approval, no lock, no journal, no proof. The script leaves an empty cache on the
 * new site; the guide restores its latest backup there. They run without guards (`guards.ts`).
 */
export interface Yardstick {
  readonly greenMs: number
}

interface Ends {
  readonly from: SiteName
  readonly to: SiteName
}

const facts = labStacks['infisical-kubernetes']
const WORKLOAD = 'infisical-infisical-standalone-infisical'
const cluster = (name: string) => ({
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'Cluster',
  plural: 'clusters',
  namespace: facts.namespace,
  name,
})
const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespace: facts.namespace, name: WORKLOAD }

interface ClusterStatus {
  readonly spec: { readonly replica: { readonly primary: string } }
  readonly status: {
    readonly phase: string
    readonly demotionToken?: string
    readonly lastPromotionToken?: string
    readonly currentPrimary: string
    readonly switchReplicaClusterStatus?: { readonly inProgress?: boolean }
  }
}

/** The smallest script of API calls over kept-alive connections, polling twice a second. */
export async function scriptedSwitchover(stack: LabStack, lab: LabEnvironment, ends: Ends): Promise<Yardstick> {
  const begun = performance.now()
  const [from, to] = [stack.admin[ends.from], stack.admin[ends.to]]
  const [old, next] = [`pg-${ends.from}`, `pg-${ends.to}`]
  await setTraffic(lab, 'be_none')
  await from.patch(deployment, { spec: { replicas: 0 } }, { subresource: 'scale' })
  await until(async () => (await podsOf(from)) === 0)
  await from.patch(cluster(old), { spec: { replica: { primary: next, source: next, promotionToken: null } } })
  const token = await until(async () => {
    const found = (await from.get(cluster(old))) as unknown as ClusterStatus
    return found.status.switchReplicaClusterStatus?.inProgress === true ? undefined : found.status.demotionToken
  })
  const redo = (JSON.parse(Buffer.from(token, 'base64').toString()) as { latestCheckpointREDOLocation: string })
    .latestCheckpointREDOLocation
  const pod = ((await to.get(cluster(next))) as unknown as ClusterStatus).status.currentPrimary
  await until(async () =>
    (await psql(to, pod, 'CHECKPOINT')) === '' && (await psql(to, pod, 'SELECT redo_lsn FROM pg_control_checkpoint()')) === redo
      ? true
      : undefined,
  )
  await to.patch(cluster(next), { spec: { replica: { primary: next, promotionToken: token } } })
  await until(async () => {
    const found = (await to.get(cluster(next))) as unknown as ClusterStatus
    return found.status.lastPromotionToken === token && (await takesClients(to, next))
  })
  await to.patch(deployment, { spec: { replicas: 1 } }, { subresource: 'scale' })
  await until(() => applicationIsReady(to))
  await setTraffic(lab, ends.to)
  const greenMs = performance.now() - begun
  // Not timed: what keeps the next run from failing.
  await to.patch(cluster(next), { spec: { replica: { promotionToken: null } } })
  await psql(to, pod, 'CHECKPOINT')
  return { greenMs }
}

/**
 * The least that a failover is: the operator promotes the replica because it was told to, and nothing else is done. Timed until the new primary
 * takes clients, its restart included; the stack is then brought to what it is after a failover, so that a rejoin can follow.
 */
export async function operatorPromotion(stack: LabStack, lab: LabEnvironment, to: SiteName): Promise<Yardstick> {
  const [kubernetes, next] = [stack.admin[to], `pg-${to}`]
  // The guard of the new site would shut what is opened beside the witness.
  await tellWitness(stack, to)
  const begun = performance.now()
  await kubernetes.patch(cluster(next), { spec: { replica: { primary: next, promotionToken: null } } })
  await until(() => takesClients(kubernetes, next))
  const greenMs = performance.now() - begun
  await kubernetes.patch(deployment, { spec: { replicas: 1 } }, { subresource: 'scale' })
  await until(() => applicationIsReady(kubernetes))
  await setTraffic(lab, to)
  return { greenMs }
}

async function takesClients(kubernetes: KubernetesClient, name: string): Promise<boolean> {
  const { status } = (await kubernetes.get(cluster(name))) as unknown as ClusterStatus
  if (status.phase !== 'Cluster in healthy state') return false
  const settled = "SELECT pg_is_in_recovery() || current_setting('archive_mode')"
  return (await psql(kubernetes, status.currentPrimary, settled).catch(() => '')) === 'falseon'
}

async function applicationIsReady(kubernetes: KubernetesClient): Promise<boolean> {
  return (((await kubernetes.get(deployment))?.status as { readyReplicas?: number } | undefined)?.readyReplicas ?? 0) > 0
}

async function psql(kubernetes: KubernetesClient, pod: string, sql: string): Promise<string> {
  const answer = await kubernetes.exec({ namespace: facts.namespace, name: pod, container: 'postgres' }, ['psql', '-XAtqc', sql])
  return answer.stdout.trim()
}

/** Not timed: writes out both databases, so that the follower's next restartpoint shows its new timeline. */
export async function checkpointBoth(stack: LabStack): Promise<void> {
  for (const site of ['dc-a', 'dc-b'] as const) {
    const status = ((await stack.admin[site].get(cluster(`pg-${site}`))) as unknown as ClusterStatus).status
    for (const sql of ['CHECKPOINT', 'SELECT pg_switch_wal() WHERE NOT pg_is_in_recovery()'])
      await psql(stack.admin[site], status.currentPrimary, sql).catch(() => '')
  }
}

/** The guide's procedure (Infisical on Kubernetes, "Traffic Management and Failover"), one kubectl command after another, as its reader would type and read them; kubectl's own waiting where it has one. */
export async function guidedSwitchover(stack: LabStack, lab: LabEnvironment, ends: Ends): Promise<Yardstick> {
  const begun = performance.now()
  const kubectl = (site: SiteName, ...args: string[]): Promise<string> => {
    const kubeconfig = lab.sites.find((candidate) => candidate.name === site)?.kubeconfig ?? ''
    return execute(lab.programs.kubectl, [`--kubeconfig=${kubeconfig}`, '-n', facts.namespace, ...args], { deadline: 300_000 })
  }
  const patch = (site: SiteName, replica: object): Promise<string> =>
    kubectl(site, 'patch', 'cluster', `pg-${site}`, '--type=merge', '-p', JSON.stringify({ spec: { replica } }))
  await setTraffic(lab, 'be_none')
  await kubectl(ends.from, 'scale', 'deployment', WORKLOAD, '--replicas=0')
  await kubectl(ends.from, 'wait', '--for=delete', 'pod', '-l', 'component=infisical', '--timeout=120s').catch(() => '')
  await patch(ends.from, { primary: `pg-${ends.to}`, source: `pg-${ends.to}`, promotionToken: null })
  // A person looks every five seconds.
  const token = await until(
    async () => (await kubectl(ends.from, 'get', 'cluster', `pg-${ends.from}`, '-o', 'jsonpath={.status.demotionToken}')) || undefined,
    5_000,
  )
  await patch(ends.to, { primary: `pg-${ends.to}`, promotionToken: token })
  await until(
    async () =>
      (await kubectl(ends.to, 'get', 'cluster', `pg-${ends.to}`, '-o', 'jsonpath={.status.lastPromotionToken}')) === token
        ? true
        : undefined,
    5_000,
  )
  await kubectl(ends.to, 'wait', '--for=condition=Ready', `cluster/pg-${ends.to}`, '--timeout=300s')
  // "The latest Redis backup is restored from object storage to the passive data center": with the request that the cache of this stack loads.
  const dump = await newestDump(stack, ends.from)
  await kubectl(ends.to, 'patch', 'secret', dump.secret, '--type=merge', '-p', JSON.stringify({ stringData: dump.request }))
  await kubectl(ends.to, 'delete', 'pod', dump.pod)
  await kubectl(ends.to, 'wait', '--for=create', `pod/${dump.pod}`, '--timeout=60s')
  await kubectl(ends.to, 'wait', '--for=condition=Ready', `pod/${dump.pod}`, '--timeout=300s')
  await kubectl(ends.to, 'scale', 'deployment', WORKLOAD, '--replicas=1')
  await kubectl(ends.to, 'rollout', 'status', `deployment/${WORKLOAD}`, '--timeout=300s')
  await setTraffic(lab, ends.to)
  const greenMs = performance.now() - begun
  await patch(ends.to, { promotionToken: null })
  return { greenMs }
}

async function podsOf(kubernetes: KubernetesClient): Promise<number> {
  const pods = await kubernetes.list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, { namespace: facts.namespace })
  return pods.filter((pod) => pod.metadata.name.startsWith(WORKLOAD)).length
}

async function setTraffic(lab: LabEnvironment, value: string): Promise<void> {
  await Promise.all(
    lab.loadBalancers.map(async (balancer) => {
      const ssh = sshRunner({
        host: balancer.host,
        port: balancer.sshPort,
        user: balancer.user,
        privateKey: balancer.privateKey,
        knownHosts: balancer.knownHosts,
      })
      const command = `sed -i 's/^${facts.mapKey} .*/${facts.mapKey} ${value}/' ${balancer.mapFile} && echo 'set map ${balancer.mapFile} ${facts.mapKey} ${value}' | socat - UNIX-CONNECT:${balancer.runtimeSocket}`
      await ssh.run(command)
      await ssh.close()
    }),
  )
}

/** Asks until there is an answer: undefined, false and the empty text are none. */
async function until<T>(ask: () => Promise<T | undefined | false>, everyMs = 500): Promise<T> {
  const deadline = AbortSignal.timeout(300_000)
  for (;;) {
    const found = await ask()
    if (found !== undefined && found !== false && found !== ('' as unknown)) return found
    deadline.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
