import type { ConsulClient } from '../../../clients/consul/client.ts'
import { objectIn, textIn, textsIn } from '../../../clients/consul/fields.ts'
import {
  createPreparedQuery,
  readPreparedQueries,
  replacePreparedQuery,
} from '../../../clients/consul/prepared-queries.ts'
import type { JsonObject } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import type { Partly } from '../known.ts'
import { CLOSED, type DeclaredQuery, datacenterOf, type Federation, queriesOf, tagOf } from '../spec.ts'

/** One declared prepared query as a datacenter has it. */
export interface QueryView {
  readonly id: string
  /** The datacenter that it leads to, or {@link CLOSED}; null: it is none of the definitions that a move writes. */
  readonly leads: string | null
}

/** No instance of a service has it: a query by this tag returns none. */
const NO_SITE = 'standby-closed'

/**
 * What a datacenter answers while this value leads: instances with the tag of that site, of its own if it is that
 * datacenter, and of that one otherwise. An instance that is here and belongs to another site never matches, also while
 * the other datacenter is silent. Pure.
 */
export function definitionOf(
  component: Federation,
  site: string,
  [name, { service, tags = [], ttl }]: readonly [string, DeclaredQuery],
  value: string,
): JsonObject {
  const active = Object.keys(component.spec.sites).find((one) => datacenterOf(component, one) === value)
  const siteTag = active === undefined ? NO_SITE : tagOf(component, active)
  return {
    Name: name,
    Service: {
      Service: service,
      OnlyPassing: true,
      Tags: [...tags, siteTag],
      Failover: { NearestN: 0, Datacenters: active === undefined || active === site ? [] : [value] },
    },
    DNS: { TTL: ttl ?? '' },
  }
}

/** Every value that a move writes: the datacenters of all sites, and closed doors. */
export const valuesOf = (component: Federation): string[] => [
  ...Object.values(component.spec.sites).map(({ datacenter }) => datacenter),
  CLOSED,
]

/** The value of a definition that Consul keeps; null: it is none of those that a move writes. Pure. */
export function valueIn(
  component: Federation,
  site: string,
  query: readonly [string, DeclaredQuery],
  kept: JsonObject,
): string | null {
  const found = traitsOf(kept)
  return valuesOf(component).find((value) => traitsOf(definitionOf(component, site, query, value)) === found) ?? null
}

/** What of a definition decides its answers: Consul adds fields of its own. */
function traitsOf({ Service, DNS }: JsonObject): string {
  const service = objectIn(Service)
  const failover = objectIn(service.Failover)
  const others = Array.isArray(failover.Targets) ? failover.Targets : []
  return JSON.stringify([
    textIn(service.Service),
    service.OnlyPassing === true,
    textsIn(service.Tags),
    failover.NearestN ?? 0,
    textsIn(failover.Datacenters),
    others,
    // Consul keeps `5s` as it was written, and no time as an empty text or as 0s.
    textIn(objectIn(DNS).TTL).replace(/^0s$/, ''),
  ])
}

/** The declared queries that a datacenter has, by name. */
export async function readQueries(
  component: Federation,
  site: string,
  client: ConsulClient,
): Promise<Partly<Readonly<Record<string, QueryView>>>> {
  const declared = queriesOf(component)
  if (declared.length === 0) return { value: {}, isLacking: false }
  const { queries, isFiltered } = await readPreparedQueries(client)
  const views = declared.flatMap((query): [string, QueryView][] => {
    const [name] = query
    const kept = queries.find((one) => one.name === name)
    return kept === undefined ? [] : [[name, { id: kept.id, leads: valueIn(component, site, query, kept.definition) }]]
  })
  return { value: Object.fromEntries(views), isLacking: isFiltered && views.length < declared.length }
}

/** As {@link readQueries}. Throws `consul-rights-missing` where the token may not see all of them. */
export async function readAllQueries(
  component: Federation,
  site: string,
  client: ConsulClient,
): Promise<Readonly<Record<string, QueryView>>> {
  const { value, isLacking } = await readQueries(component, site, client)
  if (!isLacking) return value
  throw codes.error('consul-rights-missing', `the token may not see all prepared queries of ${site}`, {
    retry: 'never',
    where: site,
    next: 'Give it `query_prefix` or `query` with policy write for the declared names.',
  })
}

interface Writing {
  readonly views: Readonly<Record<string, QueryView>>
  readonly client: ConsulClient
  /** Default: all declared ones. */
  readonly only?: readonly (readonly [name: string, query: DeclaredQuery])[]
}

/** Makes declared queries of a datacenter lead to a value; those that do are left alone. */
export async function writeQueries(
  component: Federation,
  site: string,
  value: string,
  { views, client, only = queriesOf(component) }: Writing,
): Promise<void> {
  await Promise.all(
    only.map(async (query) => {
      const view = views[query[0]]
      const definition = definitionOf(component, site, query, value)
      if (view?.leads === value) return
      if (view === undefined) await createPreparedQuery(client, definition)
      else await replacePreparedQuery(client, view.id, definition)
    }),
  )
}
