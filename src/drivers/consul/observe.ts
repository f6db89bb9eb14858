import { type ConsulToken, readOwnToken } from '../../clients/consul/acl.ts'
import type { ConsulClient } from '../../clients/consul/client.ts'
import {
  type AutopilotHealth,
  type ConsulAgent,
  type ConsulMember,
  readAgent,
  readAutopilotHealth,
  readLeader,
  readWanMembers,
} from '../../clients/consul/cluster.ts'
import { readService, type ServiceInstance } from '../../clients/consul/services.ts'
import { seenInTime } from '../../clients/seen-in-time.ts'
import type { Fact } from '../../domain/fact.ts'
import type { Observed, Summary } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { askSite } from './ask.ts'
import { type Certificates, certificatesSeen } from './certificates.ts'
import { type Known, LATE, type Partly, type See, seeing } from './known.ts'
import { type NewestSnapshot, newestInStore } from './snapshots/newest.ts'
import { datacenterOf, type Federation, gatewayService, siteOf } from './spec.ts'
import { type QueryView, readQueries } from './traffic/queries.ts'
import { type RedirectView, readRedirects } from './traffic/redirects.ts'

/** What is true of the datacenter of one site, as one of its servers says it. */
export interface ConsulState {
  readonly agent: ConsulAgent
  /** The address that answered. */
  readonly server: string
  /** Servers of the site that did not answer, and why. */
  readonly silentServers: Readonly<Record<string, string>>
  /** null: the datacenter has no leader. */
  readonly leader: Known<string | null>
  readonly members: Known<readonly ConsulMember[]>
  readonly autopilot: Known<AutopilotHealth>
  /** Absent where no token is declared. */
  readonly token?: Known<ConsulToken>
  readonly certificates: Certificates
  /** Whether each other datacenter answers through this one now, by its name. */
  readonly reaches: Readonly<Record<string, boolean>>
  readonly services: Readonly<Record<string, Known<readonly ServiceInstance[]>>>
  /** Absent where no mesh gateways are declared. */
  readonly gateways?: Known<readonly ServiceInstance[]>
  readonly queries: Known<Readonly<Record<string, QueryView>>>
  readonly redirects: Readonly<Record<string, Known<RedirectView>>>
  /** Absent where no snapshots are declared. */
  readonly snapshot?: NewestSnapshot
}

/** One call that hangs must not make its site look silent: an observation is given up after 3 s. */
const LOOK: Milliseconds = seconds(2)
/** A datacenter that lives answers through another one within a round trip; one that is cut off, after 10 s or more. */
const THROUGH: Milliseconds = seconds(1.5)

/** Asks the datacenter of a site through the first of its servers that answers. Silent only where none does. */
export async function observeDatacenter(
  component: Federation,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<ConsulState>> {
  const { signal } = context
  const asked = agentsOf(component, site, context)
  const first = await firstOf(asked)
  if (first === null) return { kind: 'silent', why: Object.values(silentAmong(await Promise.all(asked))).join('; ') }
  const { server, agent } = first
  const client = askSite(component, site, context, { signal, servers: [server], deadline: LOOK })
  const see = seeing(signal)
  const [
    servers,
    leader,
    members,
    autopilot,
    token,
    certificates,
    reaches,
    services,
    gateways,
    queries,
    redirects,
    snapshot,
  ] = await Promise.all([
    Promise.all(asked),
    see(() => readLeader(client)),
    see(async () => membersSeen(component, await readWanMembers(client))),
    see(() => readAutopilotHealth(client)),
    tokenOf(component, site) ? see(() => readOwnToken(client)) : undefined,
    certificatesSeen(client, signal),
    reachedThrough(component, site, context, server),
    servicesOf(component, client, see),
    component.spec.meshGateways === undefined ? undefined : see(() => instancesOf(client, gatewayService(component))),
    see(() => readQueries(component, site, client)),
    readRedirects(component, client, see),
    component.spec.snapshots === undefined ? undefined : newestInStore(component, site, context),
  ])
  return summarized(component, {
    agent,
    server,
    silentServers: silentAmong(servers),
    leader,
    members,
    autopilot,
    ...(token === undefined ? {} : { token }),
    certificates,
    reaches,
    services,
    ...(gateways === undefined ? {} : { gateways }),
    queries,
    redirects,
    ...(snapshot === undefined ? {} : { snapshot }),
  })
}

const tokenOf = (component: Federation, site: string): boolean =>
  (siteOf(component, site).token ?? component.spec.token) !== undefined

interface Answering {
  readonly server: string
  readonly agent: ConsulAgent
}
interface NotAnswering {
  readonly server: string
  readonly why: string
}

/** An agent answers this from its own memory. */
const AGENT: Milliseconds = seconds(1.5)

/** Every declared server, side by side: one that hangs must not hide those that answer. */
const agentsOf = (
  component: Federation,
  site: SiteName,
  context: DriverContext,
): readonly Promise<Answering | NotAnswering>[] =>
  siteOf(component, site).servers.map(async (server) => {
    const { signal } = context
    const client = askSite(component, site, context, { signal, servers: [server], deadline: AGENT })
    const notAnswering = (why: string): NotAnswering => ({ server, why })
    return seenInTime<Answering | NotAnswering, NotAnswering>(
      signal,
      async () => ({ server, agent: await readAgent(client) }),
      () => notAnswering(LATE),
    ).catch((error: unknown) => notAnswering(asStandbyError(error).message))
  })

/** The first server that answers; null: none does. */
const firstOf = (asked: readonly Promise<Answering | NotAnswering>[]): Promise<Answering | null> =>
  Promise.any(
    asked.map(async (one) => {
      const answer = await one
      if ('why' in answer) throw new Error(answer.why)
      return answer
    }),
  ).catch(() => null)

const silentAmong = (answers: readonly (Answering | NotAnswering)[]): Readonly<Record<string, string>> =>
  Object.fromEntries(answers.flatMap((one) => ('why' in one ? [[one.server, one.why]] : [])))

/**
 * A list that the token may not see in full says nothing of a declared datacenter that has no living server in it: one
 * that lives may be what was left out. Pure.
 */
export const membersSeen = (
  { spec }: Federation,
  { members, isFiltered }: Awaited<ReturnType<typeof readWanMembers>>,
): Partly<readonly ConsulMember[]> => ({
  value: members,
  isLacking:
    isFiltered &&
    Object.values(spec.sites).some(
      ({ datacenter }) => !members.some((one) => one.datacenter === datacenter && one.status === 'alive'),
    ),
})

async function instancesOf(client: ConsulClient, service: string): Promise<Partly<readonly ServiceInstance[]>> {
  const { instances, isFiltered } = await readService(client, service)
  return { value: instances, isLacking: isFiltered && instances.length === 0 }
}

async function servicesOf(component: Federation, client: ConsulClient, see: See): Promise<ConsulState['services']> {
  const { services = [] } = component.spec
  const seen = await Promise.all(
    services.map(async (service) => [service, await see(() => instancesOf(client, service))] as const),
  )
  return Object.fromEntries(seen)
}

/**
 * Whether the other datacenters answer through this one at this moment: Serf takes up to 45 s to call a lost member
 * failed, so that one that is called alive may be lost already.
 */
async function reachedThrough(
  component: Federation,
  site: SiteName,
  context: DriverContext,
  server: string,
): Promise<ConsulState['reaches']> {
  const others = Object.keys(component.spec.sites).filter((other) => other !== site)
  const seen = await Promise.all(
    others.map(async (other) => {
      const datacenter = datacenterOf(component, other)
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(THROUGH)])
      const look = async (): Promise<boolean> => {
        await readLeader(askSite(component, site, context, { signal, servers: [server] }), datacenter)
        return true
      }
      const answers = await seenInTime(signal, look, () => false).catch(() => false)
      return [datacenter, answers] as const
    }),
  )
  return Object.fromEntries(seen)
}

export function summarized(
  component: Federation,
  state: ConsulState,
): Extract<Observed<ConsulState>, { readonly kind: 'answering' }> {
  const { agent, leader, autopilot, snapshot } = state
  const lead = leader.is === 'known' && leader.value === null ? 'no leader' : 'has a leader'
  const servers =
    autopilot.is === 'known'
      ? `${autopilot.value.servers.length} servers, ${autopilot.value.failureTolerance} may fail`
      : 'servers unknown'
  const leads = leadsTo(state)
  return {
    kind: 'answering',
    state,
    role: 'unknown',
    health: healthOf(state),
    text: [
      `${agent.datacenter}: ${leader.is === 'unknown' ? 'leader unknown' : lead}`,
      servers,
      ...(leads === null ? [] : [`queries lead to ${leads}`]),
    ].join(', '),
    ...(snapshot == null || snapshot === 'unreadable' ? {} : { lastBackup: snapshot.takenAt }),
    facts: factsOf(component, leads),
  }
}

/** Where the prepared queries lead; null: there are none, or they are not seen. */
function leadsTo({ queries }: ConsulState): string | null {
  if (queries.is === 'unknown' || Object.keys(queries.value).length === 0) return null
  return [...new Set(Object.values(queries.value).map(({ leads }) => leads ?? 'nothing'))].sort().join(' and ')
}

function healthOf({ leader, autopilot, silentServers }: ConsulState): Summary['health'] {
  if (leader.is === 'known' && leader.value === null) return 'down'
  const well = Object.keys(silentServers).length === 0 && (autopilot.is === 'unknown' || autopilot.value.isHealthy)
  return well ? 'healthy' : 'degraded'
}

/** A plan holds while the queries lead where they led. */
const factsOf = (component: Federation, leads: string | null): Fact[] =>
  component.spec.traffic?.queries === undefined || leads === null
    ? []
    : [{ name: 'queries lead to', value: leads, binds: 'exactly' }]
