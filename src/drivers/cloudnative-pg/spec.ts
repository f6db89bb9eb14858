import type { Component, SiteName, Stack } from '../../domain/stack.ts'
import { type Resources, resourcesSchema } from '../../platform/kubernetes/pod-resources.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { folder, hostName, kubernetesName, siteMap, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** A PostgreSQL cluster per site, run by CloudNativePG; the passive one follows the active one. */
export interface CloudNativePgSpec {
  readonly namespace: string
  readonly database: string
  readonly owner: string
  readonly archive: {
    readonly method?: 'plugin' | 'in-tree'
    readonly store: string
    readonly prefix?: string
    readonly resources?: Resources
  }
  /** Default `archive`. */
  readonly follow?: 'archive' | 'archive-and-streaming'
  readonly schedule?: string
  readonly retention?: string
  readonly secrets: { readonly superuser: string; readonly owner: string }
  readonly cluster?: { readonly file: string }
  readonly manifest?: { readonly tables: readonly string[] }
  readonly sites: Readonly<Record<string, CloudNativePgSite>>
}
export interface CloudNativePgSite {
  readonly name: string
  readonly streaming?: { readonly host: string; readonly nodePort: number }
}
export type Database = Component<CloudNativePgSpec>

/** A name that runbooks pass to a shell and to SQL as it is. */
const SQL_NAME = '^[A-Za-z_][-A-Za-z0-9_]{0,62}$'

export const cloudNativePgSchema: JsonObject = fieldsOf<CloudNativePgSpec>()({
  description:
    'PostgreSQL on every site, run by CloudNativePG (1.26 or newer): a primary on the active site, a replica cluster on the passive one.',
  required: ['namespace', 'database', 'owner', 'archive', 'secrets', 'sites'],
  properties: {
    namespace: kubernetesName('The namespace of the Cluster objects, on every site.'),
    database: text("The application's database.", { pattern: SQL_NAME }),
    owner: text('The role that owns it.', { pattern: SQL_NAME }),
    archive: fieldsOf<CloudNativePgSpec['archive']>()({
      description: 'Where WAL and base backups go.',
      type: 'object',
      required: ['store'],
      additionalProperties: false,
      properties: {
        method: {
          description:
            'plugin: plugin-barman-cloud (0.14 or newer). in-tree: the older barmanObjectStore of CloudNativePG up to 1.30.',
          enum: ['plugin', 'in-tree'],
        },
        store: text('The object-store component of this stack.'),
        prefix: folder('Folder below the bucket.', 'either'),
        resources: resourcesSchema(
          'Sizes of the container that the archive plugin puts beside PostgreSQL; without them it has none, and a ResourceQuota of the namespace refuses the pod. Another size restarts the instances. PostgreSQL has its own in the cluster file.',
        ),
      },
    }),
    follow: {
      description:
        'How the passive site follows: by the archive alone, or by streaming with the archive as its fallback.',
      enum: ['archive', 'archive-and-streaming'],
    },
    schedule: text('When base backups are taken: six fields, seconds first.', { examples: ['0 15 2 * * *'] }),
    retention: text(
      'How long backups are kept, as CloudNativePG writes it. Must exceed the longest time that a passive site may be away.',
      {
        pattern: '^[1-9][0-9]*[dwm]$',
        examples: ['30d'],
      },
    ),
    secrets: fieldsOf<CloudNativePgSpec['secrets']>()({
      description:
        'Secrets that exist with the same content on every site: after a move roles and passwords come from the new site.',
      type: 'object',
      required: ['superuser', 'owner'],
      additionalProperties: false,
      properties: {
        superuser: kubernetesName('kubernetes.io/basic-auth of the superuser postgres.'),
        owner: kubernetesName('kubernetes.io/basic-auth of the owner.'),
      },
    }),
    cluster: fieldsOf<NonNullable<CloudNativePgSpec['cluster']>>()({
      description: 'Your own Cluster spec, merged under what a move needs.',
      type: 'object',
      required: ['file'],
      additionalProperties: false,
      properties: { file: text('A YAML file with the fields of spec, relative to the stack file.') },
    }),
    manifest: fieldsOf<NonNullable<CloudNativePgSpec['manifest']>>()({
      description: 'What is counted at backup time and again after each restore.',
      type: 'object',
      required: ['tables'],
      additionalProperties: false,
      properties: {
        tables: {
          type: 'array',
          minItems: 1,
          uniqueItems: true,
          items: text('Name of a table.', { pattern: '^[A-Za-z_][A-Za-z0-9_.]*$' }),
        },
      },
    }),
    sites: siteMap(
      'The cluster of each site.',
      fieldsOf<CloudNativePgSite>()({
        type: 'object',
        required: ['name'],
        additionalProperties: false,
        properties: {
          name: kubernetesName('metadata.name of the Cluster; at most 50 characters, as its operator demands.', 50),
          streaming: fieldsOf<NonNullable<CloudNativePgSite['streaming']>>()({
            description: 'How the other site reaches this one.',
            type: 'object',
            required: ['host', 'nodePort'],
            additionalProperties: false,
            properties: {
              host: hostName('Address or name.'),
              nodePort: { type: 'integer', minimum: 1, maximum: 65535 },
            },
          }),
        },
      }),
    ),
  },
})

export const siteSpecOf = (component: Database, site: SiteName): CloudNativePgSite => {
  const declared = component.spec.sites[site]
  if (declared === undefined) throw new Error(`${component.name} declares no cluster for ${site}`)
  return declared
}
export const clusterOf = (component: Database, site: SiteName): string => siteSpecOf(component, site).name
export const follows = (component: Database): 'archive' | 'archive-and-streaming' => component.spec.follow ?? 'archive'
export const archiveMethod = (component: Database): 'plugin' | 'in-tree' => component.spec.archive.method ?? 'plugin'

/** The first incarnation; a re-cloned cluster archives under the next number, so that two histories never mix. */
export const firstServerName = (cluster: string): string => `${cluster}-g1`

export const otherSites = (stack: Stack, site: SiteName): SiteName[] =>
  stack.sites.map((one) => one.name).filter((name) => name !== site)

/** Folder of the archive, below the store's own prefix; ends with `/` or is empty. */
export const archiveFolder = (component: Database): string => {
  const prefix = component.spec.archive.prefix ?? ''
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
}

/** The site whose cluster has this name; null when none is declared. */
export const siteOfCluster = (component: Database, cluster: string): string | null =>
  Object.entries(component.spec.sites).find(([, site]) => site.name === cluster)?.[0] ?? null

/** Folder of one incarnation's archive, below the store's own prefix. */
export const incarnationFolder = (component: Database, serverName: string): string =>
  `${archiveFolder(component)}${serverName}/`

/** The incarnation after the given ones. */
export const nextServerName = (cluster: string, used: readonly string[]): string =>
  `${cluster}-g${Math.max(1, ...used.map(incarnationOf)) + 1}`

/** The incarnations of the same cluster that are further back than so many, the oldest first. */
export function serverNamesBehind(serverName: string, back: number): string[] {
  const cluster = serverName.replace(NUMBERED, '')
  return Array.from(
    { length: Math.max(0, incarnationOf(serverName) - back - 1) },
    (_, index) => `${cluster}-g${index + 1}`,
  )
}

const NUMBERED = /-g(\d+)$/
/** A name without such a number counts as the first. */
const incarnationOf = (serverName: string): number => Number(NUMBERED.exec(serverName)?.[1] ?? 1)
