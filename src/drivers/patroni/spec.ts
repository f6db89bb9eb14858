import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import type { CredentialUse } from '../../domain/identities.ts'
import { OPERATING } from '../../domain/identities.ts'
import type { Component, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { LocationOf } from '../../driver/assessment.ts'
import { type DeclaredTls, TLS_PROPERTIES, tlsProblems } from '../../driver/declared-tls.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { fieldsOf } from '../../schema/fields.ts'
import {
  credentialReference,
  endpoint,
  HOST_PATH,
  HOST_WITH_PORT,
  PLAIN_WORD,
  siteMap,
  text,
  UNIT_NAME,
} from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'
import { backupCredentials, backupProblems, backupsSchema, type DeclaredBackups } from './backup/declared.ts'

/**
 * `standby-clusters`: one Patroni cluster for each site; those of passive sites are standby clusters of the active one.
 * `stretched`: one cluster and one store over all sites, and Patroni fails over between them by itself.
 */
const TOPOLOGIES = ['standby-clusters', 'stretched'] as const
type Topology = (typeof TOPOLOGIES)[number]

export interface PatroniSpec {
  readonly scope: string
  readonly topology?: Topology
  readonly database: string
  readonly store: StoreSpec
  readonly restApi?: RestApiSpec
  readonly server: ServerSpec
  readonly service?: { readonly unit?: string; readonly control?: string }
  readonly backups?: DeclaredBackups
  readonly sites: Readonly<Record<string, PatroniSite>>
}
export interface StoreSpec extends DeclaredTls {
  readonly kind: 'etcd' | 'consul'
  readonly namespace?: string
  readonly endpoints: Readonly<Record<string, readonly string[]>>
  readonly user?: CredentialReference
  readonly password?: CredentialReference
  readonly token?: CredentialReference
}
export interface RestApiSpec extends DeclaredTls {
  readonly user?: CredentialReference
  readonly password?: CredentialReference
}
export interface ServerSpec {
  readonly dataDirectory: string
  readonly programs?: string
  readonly user?: string
  readonly socket?: string
  readonly evidence?: string
}
export interface PatroniSite {
  readonly slot?: string
  readonly members: Readonly<Record<string, PatroniMember>>
}
export interface PatroniMember {
  readonly host: string
  readonly restApi: string
  readonly postgres: string
  readonly dataDirectory?: string
  readonly socket?: string
}
export type Database = Component<PatroniSpec>

/** A slot of PostgreSQL. */
const SLOT = '^[a-z0-9_]{1,63}$'

export const patroniSchema: JsonObject = fieldsOf<PatroniSpec>()({
  description:
    'PostgreSQL on hosts, run by Patroni: one Patroni cluster for each site, with a store (DCS) of its own, and those of passive sites are standby clusters; or one cluster and one store over at least three sites (topology).',
  required: ['scope', 'database', 'store', 'server', 'sites'],
  properties: {
    scope: text('scope in the configuration of Patroni, the same on every site.', { pattern: PLAIN_WORD }),
    topology: {
      description:
        'standby-clusters (default): a cluster for each site; a person moves the database. stretched: one cluster over at least three sites; Patroni fails over between them by itself, and the rest follows.',
      enum: TOPOLOGIES,
    },
    database: text("The application's database.", { pattern: PLAIN_WORD }),
    store: fieldsOf<StoreSpec>()({
      description:
        'The distributed store in which Patroni keeps its state: one for each site, or one over all sites (topology: stretched).',
      type: 'object',
      required: ['kind', 'endpoints'],
      additionalProperties: false,
      properties: {
        kind: {
          description:
            'etcd: version 3.4 or newer, by its JSON gateway. consul: by its HTTP API, one datacenter for each site.',
          enum: ['etcd', 'consul'],
        },
        namespace: text('namespace in the configuration of Patroni. Default /service/.', {
          pattern: '^/?([A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+/?$',
        }),
        endpoints: siteMap('The addresses at each site of its own store, or of the one store over all sites.', {
          type: 'array',
          minItems: 1,
          uniqueItems: true,
          items: endpoint('Address of one server, for clients.', {
            examples: ['https://10.1.0.13:2379', 'https://10.1.0.13:8501'],
          }),
        }),
        user: { ...credentialReference, description: 'etcd: the user that reads and writes the keys of the scope.' },
        password: { ...credentialReference, description: 'etcd: its password.' },
        token: {
          ...credentialReference,
          description: 'consul: the token that reads the keys of the scope, and for a move writes them.',
        },
        ...TLS_PROPERTIES,
      },
    }),
    restApi: fieldsOf<RestApiSpec>()({
      description: 'How the REST API of Patroni is asked. Only moves need user and password.',
      type: 'object',
      additionalProperties: false,
      properties: {
        user: { ...credentialReference, description: 'restapi.authentication.username of Patroni.' },
        password: { ...credentialReference, description: 'restapi.authentication.password of Patroni.' },
        ...TLS_PROPERTIES,
      },
    }),
    server: fieldsOf<ServerSpec>()({
      description: 'PostgreSQL on the hosts.',
      type: 'object',
      required: ['dataDirectory'],
      additionalProperties: false,
      properties: {
        dataDirectory: text('postgresql.data_dir of Patroni, on every host.', { pattern: HOST_PATH }),
        programs: text('The folder with pg_controldata and pg_waldump. Default: the PATH of the user.', {
          pattern: HOST_PATH,
        }),
        user: text('The user of the operating system that runs PostgreSQL. Default postgres.', { pattern: PLAIN_WORD }),
        socket: text('The folder of its Unix socket. Default /var/run/postgresql.', { pattern: HOST_PATH }),
        evidence: text(
          'Where on the hosts a rejoin keeps what only the former active site has. Default /var/lib/postgresql/standby-evidence.',
          { pattern: HOST_PATH },
        ),
      },
    }),
    service: fieldsOf<NonNullable<PatroniSpec['service']>>()({
      description: 'The unit of Patroni on every host.',
      type: 'object',
      additionalProperties: false,
      properties: {
        unit: text('Its name. Default patroni.', { pattern: UNIT_NAME }),
        control: text('The program that starts and stops it, as root. Default systemctl.', { pattern: HOST_PATH }),
      },
    }),
    backups: backupsSchema,
    sites: siteMap(
      'The Patroni cluster of each site.',
      fieldsOf<PatroniSite>()({
        type: 'object',
        required: ['members'],
        additionalProperties: false,
        properties: {
          slot: text(
            'The permanent slot that this site streams from, on every other site. Default: the name of the site, with _ for every -.',
            { pattern: SLOT },
          ),
          members: {
            description: 'Its members, by name in the configuration of Patroni. No two sites share a name.',
            type: 'object',
            minProperties: 1,
            maxProperties: 20,
            propertyNames: { description: 'A name that needs no quotes.', pattern: PLAIN_WORD },
            additionalProperties: fieldsOf<PatroniMember>()({
              description: 'One member.',
              type: 'object',
              required: ['host', 'restApi', 'postgres'],
              additionalProperties: false,
              properties: {
                host: text('Its machine, by its name in hosts.machines of the site.', { pattern: PLAIN_WORD }),
                restApi: endpoint('restapi.connect_address of Patroni, with its scheme.', {
                  examples: ['https://10.1.0.11:8008'],
                }),
                postgres: text('postgresql.connect_address of Patroni: how other sites reach it.', {
                  pattern: HOST_WITH_PORT,
                  examples: ['10.1.0.11:5432'],
                }),
                dataDirectory: text('Where it differs from server.dataDirectory.', { pattern: HOST_PATH }),
                socket: text('Where it differs from server.socket.', { pattern: HOST_PATH }),
              },
            }),
          },
        },
      }),
    ),
  },
})

export const siteSpecOf = ({ name, spec }: Database, site: string): PatroniSite => {
  const declared = spec.sites[site]
  if (declared === undefined) throw new Error(`${name} declares no Patroni cluster for ${site}`)
  return declared
}
export const membersOf = (component: Database, site: string): readonly string[] =>
  Object.keys(siteSpecOf(component, site).members)

export const memberOf = (component: Database, site: string, name: string): PatroniMember => {
  const declared = siteSpecOf(component, site).members[name]
  if (declared === undefined) throw new Error(`${component.name} declares no member ${name} for ${site}`)
  return declared
}

/** How people call the cluster of a site: `app on dc-a`. */
export const clusterNamed = ({ spec }: Database, site: string): string => `${spec.scope} on ${site}`

/** The slot that a site streams from. */
export const slotOf = (component: Database, site: string): string =>
  siteSpecOf(component, site).slot ?? site.replaceAll('-', '_').toLowerCase()

export const unitOf = ({ spec }: Database): string => spec.service?.unit ?? 'patroni'
export const controlOf = ({ spec }: Database): string => spec.service?.control ?? 'systemctl'

export const addressesOf = (component: Database, site: string): string[] =>
  Object.values(siteSpecOf(component, site).members).map(({ restApi }) => restApi)

/** Where the keys of the scope begin: `/service/app/`, and `service/app/` in Consul, whose keys begin with no `/`. */
export function keysBelow({ spec: { store, scope } }: Database): string {
  const first = store.kind === 'consul' ? '' : '/'
  const namespace = (store.namespace ?? '/service/').replace(/^\/?/, first).replace(/\/?$/, '/')
  return `${namespace}${scope}/`
}

/** `standby_cluster` of a site that follows another one, as the configuration of Patroni has it. */
export function standbyClusterOf(component: Database, follower: string, followed: string): JsonObject {
  const places = Object.values(siteSpecOf(component, followed).members).map(({ postgres }) => placeOf(postgres))
  const ports = new Set(places.map(({ port }) => port))
  return {
    host: places.map(({ host }) => host).join(','),
    // libpq takes one port for all hosts. Patroni 4.1.4 writes the text into its password file as it is, and libpq
    // finds no password in a line with `5432,5432` (`_pgpass_content` in config.py; measured).
    port: ports.size === 1 ? [...ports].join() : places.map(({ port }) => port).join(','),
    primary_slot_name: slotOf(component, follower),
    create_replica_methods: ['basebackup'],
  }
}

/**
 * The declared site that a `standby_cluster` leads to; null where it leads elsewhere: to no member that is declared, or
 * to those of several sites.
 */
export function siteFollowed(component: Database, standbyCluster: JsonObject): string | null {
  const hosts = String(standbyCluster.host ?? '').split(',')
  const ports = String(standbyCluster.port ?? '5432').split(',')
  const places = hosts.map((host, index) => `${host.trim()}:${(ports[index] ?? ports[0] ?? '').trim()}`)
  const sites = places.map(
    (place) =>
      Object.entries(component.spec.sites).find(([, { members }]) =>
        Object.values(members).some(({ postgres }) => postgres === place),
      )?.[0] ?? null,
  )
  const [first = null] = sites
  return sites.every((site) => site === first) ? first : null
}

function placeOf(address: string): { readonly host: string; readonly port: string } {
  const [host = '', port = ''] = address.split(':')
  return { host, port }
}

/** What the schema cannot say. */
export const patroniProblems = (component: Database, stack: Stack, objectStore: LocationOf): SpecProblem[] => [
  ...storeProblems(component),
  ...memberProblems(component, stack),
  ...tlsProblems(component.spec.store, ['store']),
  ...tlsProblems(component.spec.restApi, ['restApi']),
  ...topologyProblems(component, stack),
  ...backupProblems(component, stack, objectStore),
]

/** How each kind of store logs in. */
const LOGINS = { etcd: ['user', 'password'], consul: ['token'] } as const

function storeProblems({ spec: { store } }: Database): SpecProblem[] {
  const own: readonly string[] = LOGINS[store.kind]
  const foreign = Object.values(LOGINS)
    .flat()
    .filter((key) => store[key] !== undefined && !own.includes(key))
  return [
    ...foreign.map((key) => ({
      path: ['store', key],
      what: `is no login of ${store.kind}, which takes ${own.join(' and ')}`,
    })),
    ...Object.entries(store.endpoints).flatMap(([site, servers]) =>
      servers.flatMap((server, index) => {
        const [other] = Object.entries(store.endpoints).find(([name, all]) => name < site && all.includes(server)) ?? []
        return other === undefined
          ? []
          : [{ path: ['store', 'endpoints', site, String(index)], what: `is a server of ${other} too` }]
      }),
    ),
  ]
}

/**
 * A store over two sites protects from nothing: without the site that holds the majority of its servers no lock can be
 * held, and Patroni makes the surviving PostgreSQL read-only (measured). So no site may hold half of them.
 */
function topologyProblems({ spec }: Database, { sites }: Stack): SpecProblem[] {
  if (!isStretched(spec)) return []
  const outcome = 'Patroni would make the surviving PostgreSQL read-only when that site is lost'
  if (sites.length < 3)
    return [
      {
        path: ['topology'],
        what: `is stretched over ${sites.length} sites: one of them holds at least half of the store, and ${outcome}. It needs three sites; for two there is standby-clusters`,
      },
    ]
  const counts = Object.entries(spec.store.endpoints).map(([site, { length }]) => ({ site, length }))
  const all = counts.reduce((sum, { length }) => sum + length, 0)
  return counts
    .filter(({ length }) => length * 2 >= all)
    .map(({ site, length }) => ({
      path: ['store', 'endpoints', site],
      what: `${site} holds ${length} of the ${all} servers of the store: without it there is no majority, and ${outcome}`,
    }))
}

/** Whether one Patroni cluster spans all sites. */
export const isStretched = ({ topology }: Pick<PatroniSpec, 'topology'>): boolean => topology === 'stretched'

/** The site of a member, by its name in the configuration of Patroni; null: no site declares it. */
export const siteOfMember = ({ spec }: Database, name: string): string | null =>
  Object.entries(spec.sites).find(([, { members }]) => Object.hasOwn(members, name))?.[0] ?? null

function memberProblems(component: Database, stack: Stack): SpecProblem[] {
  const { spec } = component
  const all = Object.entries(spec.sites).flatMap(([site, { members }]) =>
    Object.entries(members).map(([name, member]) => ({ site, name, ...member })),
  )
  const path = ({ site, name }: { readonly site: string; readonly name: string }, key?: string): string[] => [
    'sites',
    site,
    'members',
    name,
    ...(key === undefined ? [] : [key]),
  ]
  return all.flatMap((one, index): SpecProblem[] => {
    const before = all.slice(0, index)
    const named = before.find(({ site, name }) => site !== one.site && name === one.name)
    const reached = before.find(({ postgres }) => postgres === one.postgres)
    const asked = before.find(({ restApi }) => restApi === one.restApi)
    const machines = Object.keys(declaredHosts(stack.sites.find(({ name }) => name === one.site))?.machines ?? {})
    return [
      ...(named === undefined
        ? []
        : [
            {
              path: path(one),
              what: `${named.site} has a member ${one.name} too: Patroni would count the wrong one as a synchronous standby`,
            },
          ]),
      ...(reached === undefined
        ? []
        : [{ path: path(one, 'postgres'), what: `is the address of ${reached.name} too` }]),
      ...(asked === undefined ? [] : [{ path: path(one, 'restApi'), what: `is the address of ${asked.name} too` }]),
      ...(machines.includes(one.host)
        ? []
        : [
            {
              path: path(one, 'host'),
              what: `${one.site} declares no host ${one.host}${insteadOf(machines)}`,
              candidates: machines,
            },
          ]),
    ]
  })
}

export const claimsOf = ({ spec }: Database): Claim[] => [
  ...(spec.backups === undefined
    ? []
    : [
        {
          key: `archive ${spec.backups.store}/`,
          below: `${spec.backups.folder}/`,
          path: ['backups', 'folder'],
        },
      ]),
  ...Object.entries(spec.sites).flatMap(([site, { members }]) =>
    Object.entries(members).map(([name, { postgres }]) => ({
      key: `postgresql ${postgres}`,
      path: ['sites', site, 'members', name],
    })),
  ),
]

/**
 * Who looks at the stack reads the store by the reference that a move writes by. Each identity may have a value of its
 * own for it: a token, or a role of etcd, that reads alone.
 */
export function credentialUses(component: Database): CredentialUse[] {
  const { store, restApi } = component.spec
  const use = (
    reference: CredentialReference | undefined,
    because: string,
    identities: CredentialUse['identities'] = OPERATING,
  ): CredentialUse[] => (reference === undefined ? [] : [{ reference, identities, because }])
  return [
    ...use(store.user, 'logs in to the store of Patroni'),
    ...use(store.password, 'logs in to the store of Patroni'),
    ...use(store.token, 'logs in to the store of Patroni'),
    ...use(store.authority, 'knows the store of Patroni by it'),
    ...use(store.certificate, 'proves itself to the store of Patroni'),
    ...use(store.key, 'proves itself to the store of Patroni'),
    ...use(restApi?.user, 'wakes Patroni when its configuration was changed', ['mover', 'deployer']),
    ...use(restApi?.password, 'wakes Patroni when its configuration was changed', ['mover', 'deployer']),
    ...use(restApi?.authority, 'knows the REST API of Patroni by it'),
    ...use(restApi?.certificate, 'proves itself to the REST API of Patroni'),
    ...use(restApi?.key, 'proves itself to the REST API of Patroni'),
    ...backupCredentials(component),
  ]
}

export const otherSites = (stack: Stack, ...but: readonly string[]): SiteName[] =>
  stack.sites.map(({ name }) => name).filter((name) => !but.includes(name))

const insteadOf = (machines: readonly string[]): string =>
  machines.length === 0 ? ', and no hosts at all' : `; there are ${machines.join(', ')}`
