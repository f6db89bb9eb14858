import type { PatroniSpec } from '../../../src/drivers/patroni/spec.ts'
import { drivers, witnesses } from '../../../src/drivers/registry.ts'
import { loadStack } from '../../../src/stack/load-stack.ts'
import type { SiteName } from '../../topology.ts'

/** The Patroni clusters of a stack, as a script by hand sees them: addresses, and a login for their REST API. */
export interface PatroniClusters {
  readonly scope: string
  readonly sites: Readonly<Record<string, PatroniMembers>>
  readonly login: { readonly user: string; readonly password: string }
}
export interface PatroniMembers {
  /** `standby_cluster` of a site that follows this one. */
  readonly asUpstream: { readonly host: string; readonly port: number }
  readonly members: readonly { readonly name: string; readonly restApi: string }[]
}

/** What `/patroni` of a member says, as far as a script looks at it. */
export interface MemberStatus {
  readonly role?: string
  readonly state?: string
  readonly xlog?: {
    readonly location?: number
    readonly received_location?: number
    readonly replayed_location?: number
  }
}

/** The clusters of the Patroni component of a stack file. */
export async function patroniClustersIn(path: string, login: PatroniClusters['login']): Promise<PatroniClusters> {
  const { components } = await loadStack(path, { drivers, witnesses })
  const component = components.find(({ driver }) => driver === 'patroni')
  if (component === undefined) throw new Error(`${path} has no component of driver patroni`)
  // The registry has checked it against the schema of this driver.
  const { scope, sites } = component.spec as unknown as PatroniSpec
  const seen = Object.entries(sites).map(([site, { members }]): [string, PatroniMembers] => {
    const addresses = Object.values(members).map(({ postgres }) => postgres.split(':'))
    return [
      site,
      {
        asUpstream: { host: addresses.map(([host]) => host).join(','), port: Number(addresses[0]?.[1]) },
        members: Object.entries(members).map(([name, { restApi }]) => ({ name, restApi })),
      },
    ]
  })
  return { scope, sites: Object.fromEntries(seen), login }
}

export function clusterAt(clusters: PatroniClusters, site: SiteName): PatroniMembers {
  const found = clusters.sites[site]
  if (found === undefined) throw new Error(`the stack has no Patroni cluster on ${site}`)
  return found
}

/** What each member says of itself, side by side; null where one does not answer. */
export const askedMembers = ({ members }: PatroniMembers): Promise<(MemberStatus | null)[]> =>
  Promise.all(
    members.map(async ({ restApi }) => {
      try {
        const answer = await fetch(`${restApi}/patroni`, { signal: AbortSignal.timeout(5_000) })
        return (await answer.json()) as MemberStatus
      } catch {
        return null
      }
    }),
  )

/** The member that holds the lock, which alone acts at once on a PATCH. */
export async function leaderOf(cluster: PatroniMembers): Promise<PatroniMembers['members'][number]> {
  const seen = await askedMembers(cluster)
  const leads = seen.findIndex((one) => one?.role === 'primary' || one?.role === 'standby_leader')
  const leader = cluster.members[leads]
  if (leader === undefined) throw new Error('no member leads its cluster')
  return leader
}
