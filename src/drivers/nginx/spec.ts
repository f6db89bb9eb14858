import type { SpecProblem } from '../../domain/declaration.ts'
import type { Component, CredentialReference } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { credentialReference, hostName, MEANS, type Meaning, siteMap, text } from '../../schema/parts.ts'
import type { Instance, Verification } from '../../systems/traffic/load-balancers.ts'
import type { JsonObject } from '../../values/json.ts'

/** NGINX instances on hosts: one variable decides, in each of them, which site's upstream serves all frontends. */
export interface NginxSpec {
  readonly file: string
  readonly variable: string
  readonly status: string
  readonly command?: string
  readonly pid?: string
  readonly closed?: string
  readonly upstreams: Readonly<Record<string, string>>
  readonly instances: readonly NginxInstance[]
  readonly ssh: {
    readonly user: string
    readonly port?: number
    readonly privateKey: CredentialReference
    readonly knownHosts: CredentialReference
  }
  readonly verify?: Verification
}
export interface NginxInstance extends Omit<Instance, 'name'> {
  readonly host: string
}
export type NginxTraffic = Component<NginxSpec>

const DEFAULT_CLOSED = 'closed'

/** What stands in a configuration file unquoted: no white space, no quote, no separator, no variable. */
const TOKEN = '^[A-Za-z0-9_.:-]+$'
const PATH = '^(/(?![.]{1,2}(/|$))[A-Za-z0-9_.-]+)+$'

export const nginxSchema: JsonObject = fieldsOf<NginxSpec>()({
  description: 'NGINX instances in front of all sites, reached by ssh.',
  required: ['file', 'variable', 'status', 'upstreams', 'instances', 'ssh'],
  properties: {
    file: text('Path of the file that Standby writes, and that nginx.conf includes in its http block.', {
      pattern: PATH,
      examples: ['/etc/nginx/standby/active.conf'],
    }),
    variable: text('The variable that the file sets, without its dollar.', {
      pattern: '^[a-z][a-z0-9_]*$',
      examples: ['standby_active'],
    }),
    status: text('An address on the host itself at which NGINX answers the value of the variable.', {
      pattern: '^http://(127[.]0[.]0[.]1|localhost)(:[0-9]+)?(/[A-Za-z0-9_./-]*)?$',
      examples: ['http://127.0.0.1:8099/active'],
    }),
    command: text('How NGINX is called on the host, in words without quotes. Default nginx.', {
      pattern: '^[A-Za-z0-9_./=-]+( [A-Za-z0-9_./=-]+)*$',
      examples: ['sudo -n /usr/sbin/nginx'],
    }),
    pid: text('Path of its pid file. Default /run/nginx.pid.', { pattern: PATH }),
    closed: text('The value while no site may serve. Default closed.', { pattern: TOKEN }),
    upstreams: siteMap('The upstream of each site.', text('Name of an upstream in nginx.conf.', { pattern: TOKEN })),
    instances: {
      description: 'All instances; a switch that does not reach every one of them is not done.',
      type: 'array',
      minItems: 1,
      items: fieldsOf<NginxInstance>()({
        type: 'object',
        required: ['host', 'url'],
        additionalProperties: false,
        properties: {
          host: hostName('Name or address, for ssh.'),
          url: text('A URL of the application through this instance.', { pattern: '^https?://[^\\s\'"]+$' }),
          site: text(
            'The site in which it stands, and with which it is lost: a failover from there does not wait for it. Absent: outside all sites.',
            { [MEANS]: 'site' satisfies Meaning },
          ),
        },
      }),
    },
    ssh: fieldsOf<NginxSpec['ssh']>()({
      description: 'How the instances are reached. Host keys are checked.',
      type: 'object',
      required: ['user', 'privateKey', 'knownHosts'],
      additionalProperties: false,
      properties: {
        user: text('A user that may write the file, and call NGINX.', { pattern: '^[A-Za-z_][-A-Za-z0-9_.]*$' }),
        port: { description: 'Port of sshd. Default 22.', type: 'integer', minimum: 1, maximum: 65535 },
        privateKey: credentialReference,
        knownHosts: credentialReference,
      },
    }),
    verify: fieldsOf<Verification>()({
      description: 'How a switch is verified from outside.',
      type: 'object',
      required: ['header'],
      additionalProperties: false,
      properties: {
        header: text('A response header that names the serving site (add_header … always).', {
          pattern: "^[-A-Za-z0-9!#$%&'*+.^_`|~]+$",
        }),
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

export const closedValue = ({ spec }: NginxTraffic): string => spec.closed ?? DEFAULT_CLOSED
export const upstreamOf = ({ name, spec }: NginxTraffic, site: string): string => {
  const upstream = spec.upstreams[site]
  if (upstream === undefined) throw new Error(`${name} declares no upstream for ${site}`)
  return upstream
}
export const siteOfUpstream = ({ spec }: NginxTraffic, value: string | null): string | null =>
  Object.entries(spec.upstreams).find(([, upstream]) => upstream === value)?.[0] ?? null

/** With one upstream for two sites, or one for closed doors, no value says which site serves. */
export function upstreamProblems(component: NginxTraffic): SpecProblem[] {
  const sites = Object.entries(component.spec.upstreams)
  return sites.flatMap(([site, upstream], index): SpecProblem[] => {
    const path = ['upstreams', site]
    if (upstream === closedValue(component)) return [{ path, what: `${upstream} stands for closed doors (closed)` }]
    const other = sites.slice(0, index).find(([, before]) => before === upstream)
    return other === undefined ? [] : [{ path, what: `${upstream} is the upstream of ${other[0]} already` }]
  })
}
