import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import { sshRunner } from '../../src/clients/ssh.ts'
import type { LabEnvironment } from '../environment.ts'
import { type LabStack, labStacks } from '../stacks.ts'
import type { SiteName } from '../topology.ts'
import type { Patience } from '../until.ts'

/**
 * What the yardsticks look at and change, without Standby: objects of the published stack, and the switch of its load
 * balancers.
 */

/** How the smallest script and the operator's promotion look. */
export const TWICE_A_SECOND: Patience = { deadline: 300_000, every: 500 }

export interface Ends {
  readonly from: SiteName
  readonly to: SiteName
}

const facts = labStacks['infisical-kubernetes']
export const { namespace } = facts
const WORKLOAD = 'infisical-infisical-standalone-infisical'
export const cluster = (name: string) => ({
  apiVersion: 'postgresql.cnpg.io/v1',
  kind: 'Cluster',
  plural: 'clusters',
  namespace,
  name,
})
const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespace, name: WORKLOAD }

export interface ClusterStatus {
  readonly status: {
    readonly phase: string
    readonly demotionToken?: string
    readonly lastPromotionToken?: string
    readonly currentPrimary: string
    readonly switchReplicaClusterStatus?: { readonly inProgress?: boolean }
  }
}

/** Whether the database is a primary that has restarted for its last time. */
export async function takesClients(kubernetes: KubernetesClient, name: string): Promise<boolean> {
  const { status } = (await kubernetes.get(cluster(name))) as unknown as ClusterStatus
  if (status.phase !== 'Cluster in healthy state') return false
  const settled = "SELECT pg_is_in_recovery() || current_setting('archive_mode')"
  return (await psql(kubernetes, status.currentPrimary, settled).catch(() => '')) === 'falseon'
}

export const scaleApplication = (kubernetes: KubernetesClient, replicas: number): Promise<unknown> =>
  kubernetes.patch(deployment, { spec: { replicas } }, { subresource: 'scale' })

export async function applicationIsReady(kubernetes: KubernetesClient): Promise<boolean> {
  return (
    (((await kubernetes.get(deployment))?.status as { readyReplicas?: number } | undefined)?.readyReplicas ?? 0) > 0
  )
}

export async function applicationIsGone(kubernetes: KubernetesClient): Promise<boolean> {
  const pods = await kubernetes.list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, { namespace })
  return !pods.some((pod) => pod.metadata.name.startsWith(WORKLOAD))
}

export async function psql(kubernetes: KubernetesClient, pod: string, sql: string): Promise<string> {
  const answer = await kubernetes.exec({ namespace, name: pod, container: 'postgres' }, ['psql', '-XAtqc', sql])
  return answer.stdout.trim()
}

/** Writes out both databases, so that the follower's next restartpoint shows its new timeline. */
export async function checkpointBoth(stack: LabStack): Promise<void> {
  for (const site of ['dc-a', 'dc-b'] as const) {
    const status = ((await stack.admin[site].get(cluster(`pg-${site}`))) as unknown as ClusterStatus).status
    for (const sql of ['CHECKPOINT', 'SELECT pg_switch_wal() WHERE NOT pg_is_in_recovery()'])
      await psql(stack.admin[site], status.currentPrimary, sql).catch(() => '')
  }
}

export async function setTraffic(lab: LabEnvironment, value: string): Promise<void> {
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
