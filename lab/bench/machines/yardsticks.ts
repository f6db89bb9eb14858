import type { SiteName } from '../../topology.ts'
import { until } from '../../until.ts'
import { type Ends, TWICE_A_SECOND } from '../by-hand.ts'
import { askedMembers, clusterAt, leaderOf, type MemberStatus, type PatroniClusters } from './patroni-clusters.ts'

/**
 * The smallest script of PATCH calls, polling twice a second, that moves the database and loses nothing: the lock
 * holder of the old site is configured to follow the new site. When every member is in recovery and all stand at one
 * position, the new site is configured to follow none. No plan, no approval, no lock, no journal, no proof. Returns how
 * long it took until the new site accepts writes; milliseconds.
 */
export async function patchedSwitchover(clusters: PatroniClusters, { from, to }: Ends): Promise<number> {
  const [old, next] = [clusterAt(clusters, from), clusterAt(clusters, to)]
  const [oldLeader, nextLeader] = await Promise.all([leaderOf(old), leaderOf(next)])
  const begun = performance.now()
  await patch(clusters, oldLeader.restApi, {
    standby_cluster: { ...next.asUpstream, primary_slot_name: slotOf(from), create_replica_methods: ['basebackup'] },
  })
  await until('the old site to be demoted', TWICE_A_SECOND, async () => {
    const [own, others] = await Promise.all([askedMembers(old), askedMembers(next)])
    return own.some((one) => one?.role === 'standby_leader') && standTogether([...own, ...others])
  })
  await patch(clusters, nextLeader.restApi, { standby_cluster: null })
  await until('the new site to be writable', TWICE_A_SECOND, () => isWritable(clusters, to))
  return performance.now() - begun
}

/**
 * The same by the two commands that Patroni has for it since 4.1, one after the other, as its documentation shows them.
 * `patronictl` runs on a machine of the site. Milliseconds.
 */
export async function patronictlSwitchover(
  clusters: PatroniClusters,
  { from, to }: Ends,
  patronictl: (site: SiteName, ...args: readonly string[]) => Promise<string>,
): Promise<number> {
  const begun = performance.now()
  const { host, port } = clusterAt(clusters, to).asUpstream
  const upstream = ['--host', host, '--port', String(port), '--primary-slot-name', slotOf(from)]
  await patronictl(from, 'demote-cluster', clusters.scope, '--force', ...upstream)
  await patronictl(to, 'promote-cluster', clusters.scope, '--force')
  await until('the new site to be writable', TWICE_A_SECOND, () => isWritable(clusters, to))
  return performance.now() - begun
}

/**
 * The smallest failover: one PATCH to the standby leader. Returns how long it took until its site accepts writes; ms.
 */
export async function patchedPromotion(clusters: PatroniClusters, to: SiteName): Promise<number> {
  const leader = await leaderOf(clusterAt(clusters, to))
  const begun = performance.now()
  await patch(clusters, leader.restApi, { standby_cluster: null })
  await until('the new site to be writable', { deadline: 60_000, every: 50 }, () => isWritable(clusters, to))
  return performance.now() - begun
}

const isWritable = async (clusters: PatroniClusters, site: SiteName): Promise<boolean> =>
  (await askedMembers(clusterAt(clusters, site))).some((one) => one?.xlog?.location !== undefined)

function standTogether(members: readonly (MemberStatus | null)[]): boolean {
  // A standby that has started and not connected yet names less for what it has received than for what it has replayed.
  const positions = members
    .map((member) => member?.xlog)
    .map((xlog) =>
      xlog?.received_location === undefined ? undefined : Math.max(xlog.received_location, xlog.replayed_location ?? 0),
    )
  const [first] = positions
  return first !== undefined && positions.every((position) => position === first)
}

/** As the roles of the stack name it. */
export const slotOf = (site: SiteName): string => site.replaceAll('-', '_')

export async function patch({ login }: PatroniClusters, restApi: string, change: object): Promise<void> {
  const answer = await fetch(`${restApi}/config`, {
    method: 'PATCH',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`,
    },
    body: JSON.stringify(change),
    signal: AbortSignal.timeout(10_000),
  })
  if (!answer.ok) throw new Error(`PATCH ${restApi}/config answers ${answer.status}: ${await answer.text()}`)
}
