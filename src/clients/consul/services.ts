import type { JsonObject } from '../../values/json.ts'
import { type ConsulCall, type ConsulClient, inPath } from './client.ts'
import { numberIn, objectIn, objectsIn, textIn, textMapIn, textsIn } from './fields.ts'

/** In the words of Consul. */
export type CheckStatus = 'passing' | 'warning' | 'critical'

/** One instance of a service, with its health. */
export interface ServiceInstance {
  readonly id: string
  readonly node: string
  readonly datacenter: string
  /** That of the service, or of its node where it has none. */
  readonly address: string
  readonly port: number
  readonly tags: readonly string[]
  readonly meta: Readonly<Record<string, string>>
  /** `mesh-gateway`; empty for a plain service. */
  readonly kind: string
  /** The worst of the checks of the instance and of its node. */
  readonly status: CheckStatus
  /** The output of the checks that do not pass: words for people. */
  readonly trouble: readonly string[]
}

/** Which instances are asked for; all of the datacenter of the addresses by default. */
export interface ServiceQuestion {
  readonly datacenter?: string
  readonly passing?: boolean
  /** `"primary" in Service.Tags` */
  readonly filter?: string
}

/** The instances of a service with their health. A list that is empty may be so for want of a right: `isFiltered`. */
export async function readService(
  client: ConsulClient,
  name: string,
  { datacenter, passing, filter }: ServiceQuestion = {},
): Promise<{ readonly instances: readonly ServiceInstance[]; readonly isFiltered: boolean }> {
  const call: ConsulCall = {
    method: 'GET',
    path: `health/service/${inPath(name)}`,
    query: { passing, filter },
    datacenter,
  }
  const { value, isFiltered } = await client.askJson(call)
  if (!Array.isArray(value)) throw client.unreadable(call, 'it is no list')
  return { instances: objectsIn(value).map(instanceIn), isFiltered }
}

/** Of `health/service` and of an executed prepared query. Pure. */
export function instanceIn(entry: JsonObject): ServiceInstance {
  const [node, service] = [objectIn(entry.Node), objectIn(entry.Service)]
  const checks = objectsIn(entry.Checks)
  return {
    id: textIn(service.ID),
    node: textIn(node.Node),
    datacenter: textIn(node.Datacenter),
    address: textIn(service.Address) || textIn(node.Address),
    port: numberIn(service.Port),
    tags: textsIn(service.Tags),
    meta: textMapIn(service.Meta),
    kind: textIn(service.Kind),
    status: worstOf(checks.map(({ Status }) => textIn(Status))),
    trouble: checks
      .filter(({ Status }) => Status !== 'passing')
      .map(({ Name, Output }) => `${textIn(Name)}: ${textIn(Output)}`),
  }
}

/** A status that is not known counts as critical. Pure. */
function worstOf(statuses: readonly string[]): CheckStatus {
  if (statuses.every((status) => status === 'passing')) return 'passing'
  return statuses.every((status) => status === 'passing' || status === 'warning') ? 'warning' : 'critical'
}
