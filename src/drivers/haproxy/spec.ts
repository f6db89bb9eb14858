import type { Component, CredentialReference } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { credentialReference, hostName, MEANS, type Meaning, siteMap, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** The global load balancer: one key of a map decides, in every instance, which site's backend serves. */
export interface HaproxySpec {
  readonly map: string
  readonly key: string
  readonly socket: string
  /** Value of the key while no site may serve. */
  readonly closed?: string
  readonly backends: Readonly<Record<string, string>>
  readonly instances: readonly HaproxyInstance[]
  readonly ssh: {
    readonly user: string
    readonly port?: number
    readonly privateKey: CredentialReference
    readonly knownHosts: CredentialReference
  }
  readonly verify?: { readonly header: string; readonly answers?: number }
}
export interface HaproxyInstance {
  readonly host: string
  /** A URL of the application through this instance. */
  readonly url: string
  /** It stands in this site, and goes down with it. */
  readonly site?: string
}
export type Traffic = Component<HaproxySpec>

/** A backend that exists in no configuration: HAProxy then uses the default of the map rule. */
export const DEFAULT_CLOSED = 'be_none'

/** What stands in a map file and goes to the runtime socket: no white space, no separator. */
const TOKEN = '^[A-Za-z0-9_.:-]+$'

export const haproxySchema: JsonObject = fieldsOf<HaproxySpec>()({
  description: 'HAProxy instances in front of all sites, reached by ssh.',
  required: ['map', 'key', 'socket', 'backends', 'instances', 'ssh'],
  properties: {
    map: text('Path of the map file, as haproxy.cfg names it.', {
      pattern: '^(/(?![.]{1,2}(/|$))[A-Za-z0-9_.-]+)+$',
      examples: ['/etc/haproxy/maps/standby.map'],
    }),
    key: text('The key in that map.', { pattern: TOKEN }),
    socket: text('Path of the runtime socket (stats socket … level admin).', {
      pattern: '^(/(?![.]{1,2}(/|$))[A-Za-z0-9_.-]+)+$',
    }),
    closed: text('Value of the key while no site may serve. Default be_none.', { pattern: TOKEN }),
    backends: siteMap('The backend of each site.', text('Name of a backend in haproxy.cfg.', { pattern: TOKEN })),
    instances: {
      description: 'All instances; a switch that does not reach every one of them is not done.',
      type: 'array',
      minItems: 1,
      items: fieldsOf<HaproxyInstance>()({
        type: 'object',
        required: ['host', 'url'],
        additionalProperties: false,
        properties: {
          host: hostName('Name or address, for ssh.'),
          url: text('A URL of the application through this instance.', { pattern: '^https?://[^\\s\'"]+$' }),
          site: text(
            'The site in which it stands, and with which it is lost: a failover from there does not wait for it. Absent: outside all sites.',
            {
              [MEANS]: 'site' satisfies Meaning,
            },
          ),
        },
      }),
    },
    ssh: fieldsOf<HaproxySpec['ssh']>()({
      description: 'How the instances are reached. Host keys are checked.',
      type: 'object',
      required: ['user', 'privateKey', 'knownHosts'],
      additionalProperties: false,
      properties: {
        user: text('A user that may write the map file and talk to the runtime socket.', {
          pattern: '^[A-Za-z_][-A-Za-z0-9_.]*$',
        }),
        port: { description: 'Port of sshd. Default 22.', type: 'integer', minimum: 1, maximum: 65535 },
        privateKey: credentialReference,
        knownHosts: credentialReference,
      },
    }),
    verify: fieldsOf<NonNullable<HaproxySpec['verify']>>()({
      description: 'How a switch is verified from outside.',
      type: 'object',
      required: ['header'],
      additionalProperties: false,
      properties: {
        header: text(
          "A response header that names the serving site (http-response set-header in each site's backend).",
          {
            pattern: "^[-A-Za-z0-9!#$%&'*+.^_`|~]+$",
          },
        ),
        answers: {
          description: 'How many answers in a row must come from the new site, through every instance. Default 3.',
          type: 'integer',
          minimum: 1,
          maximum: 100,
        },
      },
    }),
  },
})

export const closedValue = (component: Traffic): string => component.spec.closed ?? DEFAULT_CLOSED
export const backendOf = (component: Traffic, site: string): string => {
  const backend = component.spec.backends[site]
  if (backend === undefined) throw new Error(`${component.name} declares no backend for ${site}`)
  return backend
}
/** The site whose backend a value names; null for the closed value and for strangers. */
export const siteOfValue = (component: Traffic, value: string | null): string | null =>
  Object.entries(component.spec.backends).find(([, backend]) => backend === value)?.[0] ?? null
