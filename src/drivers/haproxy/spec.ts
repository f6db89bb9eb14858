import type { Component } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { HOST_PATH, siteMap, text } from '../../schema/parts.ts'
import { hostInstances, hostLogin, TRAFFIC_VALUE, verification } from '../../systems/traffic/declaration.ts'
import type { OnHosts } from '../../systems/traffic/hosts.ts'
import type { JsonObject } from '../../values/json.ts'

/** The global load balancer: one key of a map decides, in every instance, which site's backend serves. */
export interface HaproxySpec extends OnHosts {
  readonly map: string
  readonly key: string
  readonly socket: string
  /** Value of the key while no site may serve. */
  readonly closed?: string
  readonly backends: Readonly<Record<string, string>>
}
export type Traffic = Component<HaproxySpec>

/** A backend that exists in no configuration: HAProxy then uses the default of the map rule. */
const DEFAULT_CLOSED = 'be_none'

export const haproxySchema: JsonObject = fieldsOf<HaproxySpec>()({
  description: 'HAProxy instances in front of all sites, reached by ssh.',
  required: ['map', 'key', 'socket', 'backends', 'instances', 'ssh'],
  properties: {
    map: text('Path of the map file, as haproxy.cfg names it.', {
      pattern: HOST_PATH,
      examples: ['/etc/haproxy/maps/standby.map'],
    }),
    key: text('The key in that map.', { pattern: TRAFFIC_VALUE }),
    socket: text('Path of the runtime socket (stats socket … level admin).', {
      pattern: HOST_PATH,
    }),
    closed: text('Value of the key while no site may serve. Default be_none.', { pattern: TRAFFIC_VALUE }),
    backends: siteMap(
      'The backend of each site.',
      text('Name of a backend in haproxy.cfg.', { pattern: TRAFFIC_VALUE }),
    ),
    instances: hostInstances,
    ssh: hostLogin('A user that may write the map file and talk to the runtime socket.'),
    verify: verification(
      "A response header that names the serving site (http-response set-header in each site's backend).",
    ),
  },
})

export const closedValue = (component: Traffic): string => component.spec.closed ?? DEFAULT_CLOSED
export const backendOf = (component: Traffic, site: string): string => {
  const backend = component.spec.backends[site]
  if (backend === undefined) throw new Error(`${component.name} declares no backend for ${site}`)
  return backend
}
