import type { ConsulCall, ConsulClient } from './client.ts'
import { numberIn, objectIn, objectsIn, textIn, textMapIn } from './fields.ts'

/** `10.1.0.13:8300`; null: the datacenter has no leader. */
export async function readLeader(client: ConsulClient, datacenter?: string): Promise<string | null> {
  const call: ConsulCall = { method: 'GET', path: 'status/leader', datacenter }
  const { value } = await client.askJson(call)
  if (typeof value !== 'string') throw client.unreadable(call, 'it is no text')
  return value || null
}

/** What an agent says of itself. */
export interface ConsulAgent {
  readonly node: string
  readonly datacenter: string
  readonly primaryDatacenter: string
  readonly version: string
  readonly isServer: boolean
}
/** The agent that answers. Throws `failed` where it names no datacenter. */
export async function readAgent(client: ConsulClient): Promise<ConsulAgent> {
  const call: ConsulCall = { method: 'GET', path: 'agent/self' }
  const config = objectIn(objectIn((await client.askJson(call)).value).Config)
  const datacenter = textIn(config.Datacenter)
  if (datacenter === '') throw client.unreadable(call, 'it names no datacenter')
  return {
    node: textIn(config.NodeName),
    datacenter,
    primaryDatacenter: textIn(config.PrimaryDatacenter),
    version: textIn(config.Version),
    isServer: config.Server === true,
  }
}

/** By the numbers of Serf. */
export type MemberStatus = 'none' | 'alive' | 'leaving' | 'left' | 'failed'
const STATUSES: readonly MemberStatus[] = ['none', 'alive', 'leaving', 'left', 'failed']

export interface ConsulMember {
  /** `db-a1.dc1` */
  readonly name: string
  readonly address: string
  readonly status: MemberStatus
  readonly datacenter: string
  readonly isServer: boolean
  /** `1.22.7` */
  readonly version: string
}

/**
 * The members of the WAN that an agent knows: the servers of all datacenters. They are the honest sign of a lost
 * datacenter: the catalogue lists one for ever. What is empty may be so because the token may not read nodes:
 * `isFiltered`.
 */
export async function readWanMembers(
  client: ConsulClient,
): Promise<{ readonly members: readonly ConsulMember[]; readonly isFiltered: boolean }> {
  // Without a value the parameter counts for nothing.
  const query = { wan: 1 }
  const { value, isFiltered } = await client.askJson({ method: 'GET', path: 'agent/members', query })
  const members = objectsIn(value).map((member) => {
    const tags = textMapIn(member.Tags)
    return {
      name: textIn(member.Name),
      address: textIn(member.Addr),
      status: STATUSES[numberIn(member.Status)] ?? 'none',
      datacenter: tags.dc ?? '',
      isServer: tags.role === 'consul',
      // `1.22.7:`, with what it was built of after the colon.
      version: (tags.build ?? '').split(':')[0] ?? '',
    }
  })
  return { members, isFiltered }
}

/** What autopilot knows of the servers of a datacenter. */
export interface AutopilotHealth {
  readonly isHealthy: boolean
  /** Servers that may fail before the leader does. */
  readonly failureTolerance: number
  readonly servers: readonly {
    readonly name: string
    readonly address: string
    readonly isLeader: boolean
    readonly isVoter: boolean
    readonly isHealthy: boolean
    readonly version: string
  }[]
}
/** Needs `operator = "read"`. */
export async function readAutopilotHealth(client: ConsulClient): Promise<AutopilotHealth> {
  // 429: not healthy, with the same body.
  const call: ConsulCall = { method: 'GET', path: 'operator/autopilot/health', accepts: [429] }
  const health = objectIn((await client.askJson(call)).value)
  if (typeof health.Healthy !== 'boolean') throw client.unreadable(call, 'it does not say whether it is healthy')
  return {
    isHealthy: health.Healthy,
    failureTolerance: numberIn(health.FailureTolerance),
    servers: objectsIn(health.Servers).map((server) => ({
      name: textIn(server.Name),
      address: textIn(server.Address),
      isLeader: server.Leader === true,
      isVoter: server.Voter === true,
      isHealthy: server.Healthy === true,
      version: textIn(server.Version),
    })),
  }
}
