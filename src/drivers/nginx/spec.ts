import type { Component } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { HOST_PATH, siteMap, text } from '../../schema/parts.ts'
import { hostInstances, hostLogin, TRAFFIC_VALUE, verification } from '../../systems/traffic/declaration.ts'
import type { OnHosts } from '../../systems/traffic/hosts.ts'
import type { JsonObject } from '../../values/json.ts'

/** NGINX instances on hosts: one variable decides, in each of them, which site's upstream serves all frontends. */
export interface NginxSpec extends OnHosts {
  readonly file: string
  readonly variable: string
  readonly status: string
  readonly command?: string
  readonly pid?: string
  readonly closed?: string
  readonly upstreams: Readonly<Record<string, string>>
}
export type NginxTraffic = Component<NginxSpec>

const DEFAULT_CLOSED = 'closed'

export const nginxSchema: JsonObject = fieldsOf<NginxSpec>()({
  description: 'NGINX instances in front of all sites, reached by ssh.',
  required: ['file', 'variable', 'status', 'upstreams', 'instances', 'ssh'],
  properties: {
    file: text('Path of the file that Standby writes, and that nginx.conf includes in its http block.', {
      pattern: HOST_PATH,
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
    pid: text('Path of its pid file. Default /run/nginx.pid.', { pattern: HOST_PATH }),
    closed: text('The value while no site may serve. Default closed.', { pattern: TRAFFIC_VALUE }),
    upstreams: siteMap(
      'The upstream of each site.',
      text('Name of an upstream in nginx.conf.', { pattern: TRAFFIC_VALUE }),
    ),
    instances: hostInstances,
    ssh: hostLogin('A user that may write the file, and call NGINX.'),
    verify: verification('A response header that names the serving site (add_header … always).'),
  },
})

export const closedValue = ({ spec }: NginxTraffic): string => spec.closed ?? DEFAULT_CLOSED
export const upstreamOf = ({ name, spec }: NginxTraffic, site: string): string => {
  const upstream = spec.upstreams[site]
  if (upstream === undefined) throw new Error(`${name} declares no upstream for ${site}`)
  return upstream
}
