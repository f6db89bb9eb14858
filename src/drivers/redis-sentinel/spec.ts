import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import type { CredentialUse } from '../../domain/identities.ts'
import { OPERATING } from '../../domain/identities.ts'
import type { Component, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { LocationOf } from '../../driver/assessment.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { sandboxProblem } from '../../platform/hosts/sandbox-problem.ts'
import { fieldsOf } from '../../schema/fields.ts'
import {
  credentialReference,
  duration,
  folder,
  HOST_PATH,
  HOST_WITH_PORT,
  PLAIN_WORD,
  siteMap,
  text,
  UNIT_NAME,
} from '../../schema/parts.ts'
import { outOfBounds } from '../../stack/check-values.ts'
import { hours, type Milliseconds, parseDuration } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'

/** One replication group of Redis over all sites, with Sentinels at every site. */
export interface RedisSentinelSpec {
  readonly group: string
  readonly client?: string
  readonly redis?: LoginSpec
  readonly sentinel?: LoginSpec
  readonly tls?: TlsSpec
  readonly move?: 'carry' | 'disposable'
  readonly control?: string
  readonly dumps?: DeclaredDumps
  readonly sites: Readonly<Record<string, GroupSite>>
}
/** Dumps in an object store, which `standby backup` takes. */
export interface DeclaredDumps {
  readonly store: string
  readonly folder?: string
  readonly retention?: string
  readonly as?: { readonly user: string; readonly password: CredentialReference }
  readonly directory?: string
}
export interface LoginSpec {
  readonly user?: string
  readonly password?: CredentialReference
}
export interface TlsSpec {
  readonly authority?: string
  readonly certificate?: string
  readonly key?: string
}
export interface GroupSite {
  readonly redis: Readonly<Record<string, RedisSpec>>
  readonly sentinels: Readonly<Record<string, Place>>
  readonly automatic?: boolean
}
/** A server: the machine on which it is asked, and the address at which all others know it. */
export interface Place {
  readonly host: string
  readonly address: string
}
export interface RedisSpec extends Place {
  readonly priority?: number
  readonly minReplicasToWrite?: number
  readonly configFile?: string
  readonly unit?: string
}
export type Group = Component<RedisSentinelSpec>

const login = (of: string): JsonObject =>
  fieldsOf<LoginSpec>()({
    description: `How ${of} are asked. Without it no login is needed.`,
    type: 'object',
    additionalProperties: false,
    properties: {
      user: text('The ACL user. Default: the user default.', { pattern: PLAIN_WORD }),
      password: { ...credentialReference, description: 'Its password.' },
    },
  })

const PLACE = {
  host: text('The machine on which it is asked, by its name in hosts.machines of the site.', { pattern: PLAIN_WORD }),
  address: text('The address at which it announces itself, with its port.', {
    // As Sentinel announces it: a name works only with `resolve-hostnames`.
    pattern: HOST_WITH_PORT,
    examples: ['10.1.0.11:6379'],
  }),
}

export const redisSentinelSchema: JsonObject = fieldsOf<RedisSentinelSpec>()({
  description: 'One replication group of Redis on hosts over all sites, watched by Sentinels at every site.',
  required: ['group', 'sites'],
  properties: {
    group: text('The name of the master in `sentinel monitor`.', { pattern: PLAIN_WORD }),
    client: text('The program redis-cli on the hosts. Default redis-cli.', { pattern: HOST_PATH }),
    redis: login('the Redis servers'),
    sentinel: login('the Sentinels'),
    tls: fieldsOf<TlsSpec>()({
      description: 'Redis and Sentinel listen with TLS. All paths are of the hosts.',
      type: 'object',
      additionalProperties: false,
      properties: {
        authority: text('The certificates (PEM) of the authority. Default: those of the system.', {
          pattern: HOST_PATH,
        }),
        certificate: text('The certificate of the client, where one is demanded.', { pattern: HOST_PATH }),
        key: text('Its key.', { pattern: HOST_PATH }),
      },
    }),
    move: {
      description:
        'carry (default): a switchover brings every acknowledged write along, and a failover says what it loses. disposable: the content may be lost; a failover promises nothing of it.',
      enum: ['carry', 'disposable'],
    },
    control: text('The program that starts units, as root. Default systemctl.', { pattern: HOST_PATH }),
    dumps: fieldsOf<DeclaredDumps>()({
      description:
        'Dumps of the active site in an object store: standby backup takes one, and a restore test loads the newest one.',
      type: 'object',
      required: ['store'],
      additionalProperties: false,
      properties: {
        store: text('The object-store component of this stack.'),
        folder: folder(
          "Where they lie, below the prefix of the store. Default: the component's name.",
          'without-slash',
        ),
        retention: duration('How long dumps are kept; each dump removes older ones. Default 7d.'),
        as: fieldsOf<NonNullable<DeclaredDumps['as']>>()({
          description: 'The ACL user that dumps, with +sync and +replconf. Default: the login of redis.',
          type: 'object',
          required: ['user', 'password'],
          additionalProperties: false,
          properties: {
            user: text('Its name.', { pattern: PLAIN_WORD }),
            password: { ...credentialReference, description: 'Its password.' },
          },
        }),
        directory: text('Where a dump lies on a host until it is stored. Default /var/tmp.', { pattern: HOST_PATH }),
      },
    }),
    sites: siteMap(
      'The servers of each site.',
      fieldsOf<GroupSite>()({
        type: 'object',
        required: ['redis', 'sentinels'],
        additionalProperties: false,
        properties: {
          redis: {
            description: 'Its Redis servers by name. No two sites share a name.',
            type: 'object',
            minProperties: 1,
            maxProperties: 20,
            propertyNames: { description: 'A name that needs no quotes.', pattern: PLAIN_WORD },
            additionalProperties: fieldsOf<RedisSpec>()({
              description: 'One Redis.',
              type: 'object',
              required: ['host', 'address'],
              additionalProperties: false,
              properties: {
                ...PLACE,
                priority: {
                  description:
                    'replica-priority while its site is active; the lowest wins. While its site is passive it is 0, unless `automatic` is set. A move uses 1 for itself. Default 100.',
                  type: 'integer',
                  minimum: 2,
                  maximum: 1_000,
                },
                minReplicasToWrite: {
                  description:
                    'min-replicas-to-write of its configuration. A move sets it for a moment, and sets it back to this. Default 0.',
                  type: 'integer',
                  minimum: 0,
                  maximum: 100,
                },
                configFile: text(
                  'Its configuration file, which Redis may write. With it a rejoin starts a stopped Redis as a replica; that needs the rights of root.',
                  { pattern: HOST_PATH },
                ),
                unit: text('Its unit. Default redis-server.', { pattern: UNIT_NAME }),
              },
            }),
          },
          sentinels: {
            description: 'Its Sentinels by name.',
            type: 'object',
            maxProperties: 20,
            propertyNames: { description: 'A name that needs no quotes.', pattern: PLAIN_WORD },
            additionalProperties: fieldsOf<Place>()({
              description: 'One Sentinel.',
              type: 'object',
              required: ['host', 'address'],
              additionalProperties: false,
              properties: PLACE,
            }),
          },
          automatic: {
            description:
              'Whether Sentinel may promote a Redis of this site by itself while the site is passive. Default false: only a human moves the stack.',
            type: 'boolean',
          },
        },
      }),
    ),
  },
})

export const groupSiteOf = ({ name, spec }: Group, site: string): GroupSite => {
  const declared = spec.sites[site]
  if (declared === undefined) throw new Error(`${name} declares no Redis for ${site}`)
  return declared
}
export const redisOf = (component: Group, site: string, name: string): RedisSpec => {
  const declared = groupSiteOf(component, site).redis[name]
  if (declared === undefined) throw new Error(`${component.name} declares no Redis ${name} for ${site}`)
  return declared
}
export const redisNamesOf = (component: Group, site: string): string[] =>
  Object.keys(groupSiteOf(component, site).redis)
export const sentinelNamesOf = (component: Group, site: string): string[] =>
  Object.keys(groupSiteOf(component, site).sentinels)

/** The declared Redis at an address; null where none is declared. Pure. */
export function redisAt(component: Group, address: string): { readonly site: string; readonly name: string } | null {
  for (const [site, { redis }] of Object.entries(component.spec.sites))
    for (const [name, one] of Object.entries(redis)) if (one.address === address) return { site, name }
  return null
}
/** How people call a Redis: its name, or its address where it is none of ours. Pure. */
export const nameOfAddress = (component: Group, address: string): string => redisAt(component, address)?.name ?? address

/** How people call the servers of a site: `mymaster on dc-a`. */
export const groupNamed = ({ spec }: Group, site: string): string => `${spec.group} on ${site}`

/** What `replica-priority` of a Redis is while this site is the active one. Pure. */
export function priorityIn(component: Group, site: string, name: string, activeSite: string): number {
  const { priority = 100 } = redisOf(component, site, name)
  return site === activeSite || groupSiteOf(component, site).automatic === true ? priority : 0
}
export const minReplicasOf = (component: Group, site: string, name: string): number =>
  redisOf(component, site, name).minReplicasToWrite ?? 0

export const unitOf = (component: Group, site: string, name: string): string =>
  redisOf(component, site, name).unit ?? 'redis-server'
export const controlOf = ({ spec }: Group): string => spec.control ?? 'systemctl'

export const addressesOf = (component: Group, site: string): string[] =>
  Object.values(groupSiteOf(component, site).redis).map(({ address }) => address)

export const sitesOf = (stack: Stack, ...but: readonly string[]): SiteName[] =>
  stack.sites.map(({ name }) => name).filter((name) => !but.includes(name))

/** What the schema cannot say. */
export function groupProblems(component: Group, stack: Stack, objectStore: LocationOf): SpecProblem[] {
  const { sites } = component.spec
  const all = Object.entries(sites).flatMap(([site, { redis, sentinels }]) => [
    ...Object.entries(redis).map(([name, one]) => ({ site, list: 'redis', name, ...one })),
    ...Object.entries(sentinels).map(([name, one]) => ({ site, list: 'sentinels', name, ...one })),
  ])
  const problems = all.flatMap((one, index): SpecProblem[] => {
    const before = all.slice(0, index)
    const path = ['sites', one.site, one.list, one.name]
    const named = before.find(({ name, list, site }) => name === one.name && list === one.list && site !== one.site)
    const reached = before.find(({ address }) => address === one.address)
    const machines = Object.keys(declaredHosts(stack.sites.find(({ name }) => name === one.site))?.machines ?? {})
    return [
      ...(named === undefined ? [] : [{ path, what: `${named.site} has one called ${one.name} too` }]),
      ...(reached === undefined ? [] : [{ path: [...path, 'address'], what: `is the address of ${reached.name} too` }]),
      ...(machines.includes(one.host)
        ? []
        : [
            {
              path: [...path, 'host'],
              what: `${one.site} declares no host ${one.host}${insteadOf(machines)}`,
              candidates: machines,
            },
          ]),
    ]
  })
  const count = Object.values(sites).reduce((sum, { sentinels }) => sum + Object.keys(sentinels).length, 0)
  return [
    ...problems,
    ...dumpProblems(component, stack, objectStore),
    ...(count === 0 ? [{ path: ['sites'], what: 'no site has a Sentinel: nothing could promote a Redis' }] : []),
  ]
}

/** A store that is none, dumps that are kept for too short a time, and a site without a sandbox. */
function dumpProblems({ spec: { dumps } }: Group, { sites }: Stack, objectStore: LocationOf): SpecProblem[] {
  if (dumps === undefined) return []
  const retention = { least: hours(1), most: 10 * 366 * hours(24), why: 'each dump removes the ones that are older' }
  return [
    ...outOfBounds(dumps.retention, retention).map((what) => ({ path: ['dumps', 'retention'], what })),
    ...sites.flatMap((site): SpecProblem[] => [
      ...(objectStore(dumps.store, site.name) === null
        ? [{ path: ['dumps', 'store'], what: `${dumps.store} is no object store of ${site.name}` }]
        : []),
      ...sandboxProblem(site, ['dumps'], 'dump'),
    ]),
  ]
}

/** Of a component that declares them. */
export const dumpsOf = ({ name, spec: { dumps } }: Group): DeclaredDumps => {
  if (dumps === undefined) throw new Error(`${name} declares no dumps`)
  return dumps
}
/** Where the dumps lie, below the prefix of the store. */
export const dumpFolder = (component: Group): string => `${dumpsOf(component).folder ?? component.name}/`
export const retentionOf = (component: Group): Milliseconds =>
  parseDuration(dumpsOf(component).retention ?? '7d') ?? 7 * hours(24)

export const claimsOf = (component: Group): Claim[] => {
  const { sites, dumps } = component.spec
  return [
    ...Object.entries(sites).flatMap(([site, { redis }]) =>
      Object.entries(redis).map(([name, { address }]) => ({
        key: `redis ${address}`,
        path: ['sites', site, 'redis', name],
      })),
    ),
    ...(dumps === undefined
      ? []
      : [{ key: `archive ${dumps.store}/`, below: dumpFolder(component), path: ['dumps', 'folder'] }]),
  ]
}

export const credentialUses = ({ spec: { redis, sentinel, dumps } }: Group): CredentialUse[] => [
  ...(dumps?.as === undefined
    ? []
    : [{ reference: dumps.as.password, identities: ['mover'] as const, because: 'dumps the Redis servers' }]),
  ...[
    { password: redis?.password, because: 'asks the Redis servers' },
    { password: sentinel?.password, because: 'asks the Sentinels' },
  ].flatMap(({ password, because }) =>
    password === undefined ? [] : [{ reference: password, identities: OPERATING, because }],
  ),
]

const insteadOf = (machines: readonly string[]): string =>
  machines.length === 0 ? ', and no hosts at all' : `; there are ${machines.join(', ')}`
