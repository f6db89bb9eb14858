import { DATACENTER_NAME } from '../../clients/consul/client.ts'
import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import { type CredentialUse, OPERATING } from '../../domain/identities.ts'
import type { Component, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { LocationOf } from '../../driver/assessment.ts'
import { type DeclaredTls, TLS_PROPERTIES, tlsProblems } from '../../driver/declared-tls.ts'
import { sandboxProblem } from '../../platform/hosts/sandbox-problem.ts'
import { fieldsOf } from '../../schema/fields.ts'
import {
  credentialReference,
  duration,
  endpoint,
  folder,
  MEANS,
  type Meaning,
  PLAIN_WORD,
  siteMap,
  text,
} from '../../schema/parts.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { witnessDatacenterProblems } from '../../systems/consul/witness-datacenter.ts'
import { ambiguousValues } from '../../systems/traffic/declaration.ts'
import { hours, type Milliseconds, parseDuration } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'

/** Consul datacenters that are joined over the WAN, one at each site. */
export interface ConsulSpec extends DeclaredTls {
  readonly sites: Readonly<Record<string, ConsulSite>>
  /** The site whose datacenter is the primary one. */
  readonly primary?: string
  readonly token?: CredentialReference
  /** Services of which each site should have a passing instance. */
  readonly services?: readonly string[]
  readonly traffic?: DeclaredTraffic
  readonly meshGateways?: DeclaredGateways
  readonly snapshots?: DeclaredSnapshots
}
export interface ConsulSite {
  readonly datacenter: string
  readonly servers: readonly string[]
  readonly token?: CredentialReference
  /** The tag of service instances of this site. */
  readonly tag?: string
}
/** What leads users of services to the active site. */
export interface DeclaredTraffic {
  readonly queries?: Readonly<Record<string, DeclaredQuery>>
  readonly redirects?: DeclaredRedirects
}
export interface DeclaredQuery {
  readonly service: string
  readonly tags?: readonly string[]
  readonly ttl?: string
}
export interface DeclaredRedirects {
  readonly services: readonly string[]
  readonly whenPrimaryIsLost?: 'refuse' | 'leave'
}
export interface DeclaredGateways {
  readonly service?: string
  readonly mode: 'local' | 'remote'
  readonly mesh?: JsonObject
}
export interface DeclaredSnapshots {
  readonly store: string
  readonly token: CredentialReference
  readonly folder?: string
  readonly retention?: string
}
export type Federation = Component<ConsulSpec>

const SERVICE = text('The name of a service.', { pattern: PLAIN_WORD })

export const consulSchema: JsonObject = fieldsOf<ConsulSpec>()({
  description: 'Consul datacenters that are joined over the WAN, one at each site.',
  required: ['sites'],
  properties: {
    sites: siteMap(
      'The datacenter of each site.',
      fieldsOf<ConsulSite>()({
        type: 'object',
        required: ['datacenter', 'servers'],
        additionalProperties: false,
        properties: {
          datacenter: text('Its name, as `datacenter` in the configuration of its servers.', {
            pattern: DATACENTER_NAME,
            examples: ['dc1'],
          }),
          servers: {
            description: 'The HTTP API of its servers. Any one of them answers for the datacenter.',
            type: 'array',
            minItems: 1,
            uniqueItems: true,
            items: endpoint('Address of a server.', { examples: ['https://10.1.0.11:8501'] }),
          },
          token: { ...credentialReference, description: 'Its ACL token. Default: token.' },
          tag: text('The tag that service instances of this site are registered with. Default: the name of the site.', {
            pattern: PLAIN_WORD,
          }),
        },
      }),
    ),
    primary: text(
      'The site whose datacenter is the primary one: ACLs and configuration entries are written there alone.',
      { [MEANS]: 'site' satisfies Meaning },
    ),
    token: {
      ...credentialReference,
      description: 'The ACL token that asks Consul, and flips what leads traffic. Without it no token is sent.',
    },
    ...TLS_PROPERTIES,
    services: {
      description: 'Services of which every site should have a passing instance: status names those that have none.',
      type: 'array',
      uniqueItems: true,
      items: SERVICE,
    },
    traffic: fieldsOf<DeclaredTraffic>()({
      description: 'What leads those who look a service up to the active site. A move flips it.',
      type: 'object',
      additionalProperties: false,
      properties: {
        queries: {
          description:
            'Prepared queries by name, in the datacenter of every site: <name>.query.consul. They can be flipped while any other datacenter is lost.',
          type: 'object',
          minProperties: 1,
          maxProperties: 20,
          propertyNames: { description: 'The name of a prepared query.', pattern: PLAIN_WORD },
          additionalProperties: fieldsOf<DeclaredQuery>()({
            description: 'What it looks up.',
            type: 'object',
            required: ['service'],
            additionalProperties: false,
            properties: {
              service: SERVICE,
              tags: {
                description: 'Tags that an instance has, beside that of its site.',
                type: 'array',
                uniqueItems: true,
                items: text('A tag.', { pattern: PLAIN_WORD }),
              },
              ttl: duration(
                'How long a resolver may keep an answer. Closed doors are believed after this time. Default 0: each look-up is answered anew.',
              ),
            },
          }),
        },
        redirects: fieldsOf<DeclaredRedirects>()({
          description:
            'Services of the mesh that are led to the active datacenter by `Redirect` of their service-resolver. It cannot be changed while the primary datacenter is lost.',
          type: 'object',
          required: ['services'],
          additionalProperties: false,
          properties: {
            services: { description: 'Their names.', type: 'array', minItems: 1, uniqueItems: true, items: SERVICE },
            whenPrimaryIsLost: {
              description:
                'refuse (default): a failover from the site of the primary datacenter is blocked. leave: it goes on, and the redirects are left as they are, because the prepared queries make them unnecessary.',
              enum: ['refuse', 'leave'],
            },
          },
        }),
      },
    }),
    meshGateways: fieldsOf<DeclaredGateways>()({
      description: 'Mesh gateways, which every datacenter needs for traffic of the mesh to the others.',
      type: 'object',
      required: ['mode'],
      additionalProperties: false,
      properties: {
        service: text('The service that the gateways register. Default mesh-gateway.', { pattern: PLAIN_WORD }),
        mode: {
          description: 'MeshGateway.Mode of the configuration entry proxy-defaults, which a deploy writes.',
          enum: ['local', 'remote'],
        },
        mesh: {
          description: 'Fields of the configuration entry mesh, as the API of Consul names them. A deploy writes them.',
          type: 'object',
          minProperties: 1,
          propertyNames: { description: 'A field.', pattern: '^(?!(Kind|Name)$)[A-Z][A-Za-z]*$' },
          examples: [{ TransparentProxy: { MeshDestinationsOnly: true } }],
        },
      },
    }),
    snapshots: fieldsOf<DeclaredSnapshots>()({
      description:
        'Snapshots of the datacenter of the active site in an object store. They hold all credentials of Consul in recoverable form: the store must encrypt what it keeps, and be read by few.',
      type: 'object',
      required: ['store', 'token'],
      additionalProperties: false,
      properties: {
        store: text('The object-store component of this stack.'),
        token: { ...credentialReference, description: 'The ACL token that takes them: it needs `acl = "write"`.' },
        folder: folder(
          "Where they lie, below the prefix of the store. Default: the component's name.",
          'without-slash',
        ),
        retention: duration('How long snapshots are kept; each one removes older ones. Default 30d.'),
      },
    }),
  },
})

export const siteOf = ({ name, spec }: Federation, site: string): ConsulSite => {
  const declared = spec.sites[site]
  if (declared === undefined) throw new Error(`${name} declares no datacenter for ${site}`)
  return declared
}
export const datacenterOf = (component: Federation, site: string): string => siteOf(component, site).datacenter

/** The site of a datacenter; null: it is that of none. Pure. */
export const siteWithDatacenter = ({ spec }: Federation, datacenter: string): string | null =>
  Object.entries(spec.sites).find(([, one]) => one.datacenter === datacenter)?.[0] ?? null

/** How people call it: `dc1 on dc-a`. */
export const datacenterNamed = (component: Federation, site: string): string =>
  `${datacenterOf(component, site)} on ${site}`

/** `site` as the core has it, which declares each name. */
export const siteNamed = (stack: Stack, site: string): SiteName => {
  const found = stack.sites.find(({ name }) => name === site)?.name
  if (found === undefined) throw new Error(`there is no site ${site}`)
  return found
}

export const tagOf = (component: Federation, site: string): string => siteOf(component, site).tag ?? site
export const gatewayService = ({ spec }: Federation): string => spec.meshGateways?.service ?? 'mesh-gateway'
export const queriesOf = ({ spec }: Federation): readonly (readonly [name: string, query: DeclaredQuery])[] =>
  Object.entries(spec.traffic?.queries ?? {})
export const redirectedServices = ({ spec }: Federation): readonly string[] => spec.traffic?.redirects?.services ?? []

/** How long those who look up may go on with an earlier answer. */
export const longestTtl = (component: Federation): Milliseconds =>
  Math.max(0, ...queriesOf(component).map(([, { ttl }]) => (ttl === undefined ? 0 : (parseDuration(ttl) ?? 0))))

/** Of a component that declares them. */
export const snapshotsOf = ({ name, spec: { snapshots } }: Federation): DeclaredSnapshots => {
  if (snapshots === undefined) throw new Error(`${name} declares no snapshots`)
  return snapshots
}
/** Where the snapshots lie, below the prefix of the store. */
export const snapshotFolder = (component: Federation): string => `${snapshotsOf(component).folder ?? component.name}/`
export const retentionOf = (component: Federation): Milliseconds =>
  parseDuration(snapshotsOf(component).retention ?? '30d') ?? 30 * hours(24)

/** The value of closed doors: no datacenter may have this name. */
export const CLOSED = 'closed'

/** What the schema cannot say. */
export function federationProblems(component: Federation, stack: Stack, objectStore: LocationOf): SpecProblem[] {
  const { sites, primary, traffic, meshGateways } = component.spec
  const datacenters = Object.fromEntries(Object.entries(sites).map(([site, { datacenter }]) => [site, datacenter]))
  const writesEntries = traffic?.redirects !== undefined || meshGateways !== undefined
  return [
    ...ambiguousValues('sites', datacenters, CLOSED, 'is the datacenter of').map((problem) => ({
      ...problem,
      path: [...problem.path, 'datacenter'],
    })),
    ...sharedTags(component),
    ...tlsProblems(component.spec, []),
    ...(primary === undefined && writesEntries
      ? [
          {
            path: ['primary'],
            what: 'must name the site of the primary datacenter: redirects and entries of the mesh are written there alone',
          },
        ]
      : []),
    ...(traffic !== undefined && traffic.queries === undefined && traffic.redirects === undefined
      ? [{ path: ['traffic'], what: 'declares neither queries nor redirects' }]
      : []),
    ...(traffic?.redirects?.whenPrimaryIsLost === 'leave' && traffic.queries === undefined
      ? [
          {
            path: ['traffic', 'redirects', 'whenPrimaryIsLost'],
            what: 'leave needs prepared queries: nothing else leads users to the new site',
          },
        ]
      : []),
    ...snapshotProblems(component, stack, objectStore),
    ...witnessDatacenterProblems(
      stack,
      Object.entries(datacenters).map(([site, datacenter]) => ({
        site,
        datacenter,
        path: ['sites', site, 'datacenter'],
      })),
    ),
    ...Object.entries(sites).flatMap(([site, { servers, token = component.spec.token }]): SpecProblem[] =>
      token === undefined || servers.every((server) => /^https:/i.test(server))
        ? []
        : [
            {
              path: ['sites', site, 'servers'],
              what: 'a token goes over https alone: declare the https port of the servers',
            },
          ],
    ),
  ]
}

/** With one tag for two sites a query would lead to both. */
function sharedTags(component: Federation): SpecProblem[] {
  if (component.spec.traffic?.queries === undefined) return []
  const names = Object.keys(component.spec.sites)
  return names.flatMap((site, index): SpecProblem[] => {
    const other = names.slice(0, index).find((one) => tagOf(component, one) === tagOf(component, site))
    return other === undefined
      ? []
      : [{ path: ['sites', site, 'tag'], what: `is the tag of ${other} too: a query would lead to both` }]
  })
}

/** A store that is none, snapshots that are kept for too short a time, and a site without a sandbox. */
function snapshotProblems(
  { spec: { snapshots } }: Federation,
  { sites }: Stack,
  objectStore: LocationOf,
): SpecProblem[] {
  if (snapshots === undefined) return []
  const retention = {
    least: hours(1),
    most: 10 * 366 * hours(24),
    why: 'each snapshot removes the ones that are older',
  }
  return [
    ...outOfBounds(snapshots.retention, retention).map((what) => ({ path: ['snapshots', 'retention'], what })),
    ...sites.flatMap((site): SpecProblem[] => [
      ...(objectStore(snapshots.store, site.name) === null
        ? [{ path: ['snapshots', 'store'], what: `${snapshots.store} is no object store of ${site.name}` }]
        : []),
      ...sandboxProblem(site, ['snapshots'], 'snapshot'),
    ]),
  ]
}

export const claimsOf = (component: Federation): Claim[] => {
  const { sites, traffic, snapshots } = component.spec
  return [
    ...Object.entries(sites).flatMap(([site, { datacenter, servers }]) => [
      ...Object.keys(traffic?.queries ?? {}).map((query) => ({
        key: `consul ${servers[0]} ${datacenter} query ${query}`,
        path: ['traffic', 'queries', query],
      })),
      ...(traffic === undefined ? [{ key: `consul ${servers[0]} ${datacenter}`, path: ['sites', site] }] : []),
    ]),
    ...(snapshots === undefined
      ? []
      : [{ key: `archive ${snapshots.store}/`, below: snapshotFolder(component), path: ['snapshots', 'folder'] }]),
  ]
}

export const credentialUses = ({ spec }: Federation): CredentialUse[] => {
  const { token, authority, certificate, key, sites, snapshots } = spec
  return [
    ...[token, authority, certificate, key, ...Object.values(sites).map((site) => site.token)].flatMap((reference) =>
      reference === undefined ? [] : [{ reference, identities: OPERATING, because: 'asks Consul' }],
    ),
    ...(snapshots === undefined
      ? []
      : [{ reference: snapshots.token, identities: ['mover'] as const, because: 'takes snapshots of Consul' }]),
  ]
}
