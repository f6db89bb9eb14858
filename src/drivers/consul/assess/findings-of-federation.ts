import type { ConsulMember } from '../../../clients/consul/cluster.ts'
import type { Finding } from '../../../domain/plan.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { codes } from '../codes.ts'
import type { ConsulState } from '../observe.ts'
import { datacenterOf, type Federation } from '../spec.ts'

type States = StatesPerSite<ConsulState>

/** What the sites that answer say of each other: the members of the WAN, and never the catalogue. Pure. */
export function federationFindings(component: Federation, states: States): Finding[] {
  return [...lostMembers(component, states), ...differentVersions(component, states)]
}

interface Vantage {
  readonly from: string
  readonly members: readonly ConsulMember[]
}

const vantagesOf = (states: States): Vantage[] =>
  Object.entries(states).flatMap(([from, seen]) =>
    seen.kind === 'answering' && seen.state.members.is === 'known' ? [{ from, members: seen.state.members.value }] : [],
  )

function lostMembers(component: Federation, states: States): Finding[] {
  const vantages = vantagesOf(states)
  return Object.keys(component.spec.sites).flatMap((site): Finding[] => {
    const datacenter = datacenterOf(component, site)
    const about = vantages
      .filter(({ from }) => from !== site)
      .map(({ from, members }) => ({ from, servers: members.filter((one) => one.datacenter === datacenter) }))
    const unjoined = about.filter(({ servers }) => servers.length === 0).map(({ from }) => from)
    const lost = about.flatMap(({ from, servers }) => {
      const gone = servers.filter(isGone)
      return gone.length === 0 ? [] : [{ from, isAll: gone.length === servers.length, gone }]
    })
    const without = lost.filter(({ isAll }) => isAll)
    const isSplit = without.length > 0 && without.length < about.length - unjoined.length
    return [
      ...(unjoined.length === 0
        ? []
        : [
            codes.finding('consul-not-joined', component, {
              site,
              severity: 'warning',
              what: `${unjoined.join(' and ')} ${unjoined.length === 1 ? 'knows' : 'know'} no server of ${datacenter}`,
              next: 'Join the datacenters: `consul join -wan`, or retry_join_wan in the configuration of the servers.',
            }),
          ]),
      ...lost.map(({ from, gone, isAll }) =>
        codes.finding('consul-members-lost', component, {
          site,
          severity: 'warning',
          what: `${from} has lost ${isAll ? `all of ${datacenter}` : `servers of ${datacenter}`} over the WAN: ${gone.map(({ name, status }) => `${name} ${status}`).join(', ')}`,
          next: 'Look at the servers, and at port 8302 between the sites. The catalogue goes on listing a lost datacenter.',
        }),
      ),
      ...(isSplit
        ? [
            codes.finding('consul-views-differ', component, {
              site,
              severity: 'warning',
              what: `${without.map(({ from }) => from).join(', ')} ${without.length === 1 ? 'has' : 'have'} lost ${datacenter}, and other sites have not: the link between them is cut, and not the datacenter`,
              next: 'Look at the links between the sites before anything is called lost.',
            }),
          ]
        : []),
    ]
  })
}

const isGone = ({ status }: ConsulMember): boolean => status === 'failed' || status === 'left'

function differentVersions(component: Federation, states: States): Finding[] {
  const versions = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' && seen.state.agent.version !== '' ? [[seen.state.agent.version, site] as const] : [],
  )
  if (new Set(versions.map(([version]) => version)).size < 2) return []
  return [
    codes.finding('consul-versions-differ', component, {
      severity: 'info',
      what: versions.map(([version, site]) => `${site} runs ${version}`).join(', '),
      next: 'Bring them to one version, the primary datacenter first. A snapshot is restored by its own version alone.',
    }),
  ]
}
