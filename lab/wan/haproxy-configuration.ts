import { addressOf, type SiteName } from '../topology.ts'

export const mapFile = '/etc/haproxy/maps/standby.map'
export const runtimeSocket = '/run/haproxy/admin.sock'
export const masterSocket = '/run/haproxy/master.sock'

interface Frontend {
  readonly name: string
  readonly port: number
  readonly mapKey: string
  /** Where the application of a site listens: a NodePort of a cluster, a port of a machine. */
  readonly sitePort: number
  readonly backends: Readonly<Record<SiteName, string>>
}

/** What the load balancers lead to. */
export interface Served {
  readonly frontends: readonly Frontend[]
  readonly sites: readonly SiteName[]
  addressOf(site: SiteName): string
}

/** One frontend for each stack that the lab carries, so that two can live side by side. */
const ofClusters: readonly Frontend[] = [
  {
    name: 'application',
    port: 80,
    mapKey: 'active',
    sitePort: 30080,
    backends: { 'dc-a': 'dc-a', 'dc-b': 'dc-b', 'dc-c': 'dc-c' },
  },
  {
    name: 'hanzo',
    port: 81,
    mapKey: 'active-hanzo',
    sitePort: 30081,
    backends: { 'dc-a': 'hanzo-dc-a', 'dc-b': 'hanzo-dc-b', 'dc-c': 'hanzo-dc-c' },
  },
]

const ofMachines: readonly Frontend[] = [
  {
    name: 'application',
    port: 80,
    mapKey: 'active',
    sitePort: 8080,
    backends: { 'dc-a': 'dc-a', 'dc-b': 'dc-b', 'dc-c': 'dc-c' },
  },
]

export const clustersServed = (sites: readonly SiteName[]): Served => ({
  frontends: ofClusters,
  sites,
  addressOf: (site) => addressOf[site],
})
export const machinesServed = (sites: readonly SiteName[]): Served => ({
  frontends: ofMachines,
  sites,
  addressOf: (site) => addressOf[`${site}-app`],
})

/**
 * HAProxy as a team that follows docs/drivers/haproxy.md would write it: the map decides, the file keeps the decision
 * across reloads. Checks of a passive site are few and short: while its NodePort answers "port unreachable", HAProxy
 * 2.6 asks connect() again and again, 1,500 times a second (seen with strace), which costs the lab a third of a core.
 */
export function haproxyConfiguration(served: Served): string {
  return [
    globals,
    ...served.frontends.map(frontendOf),
    ...served.frontends.flatMap((frontend) =>
      served.sites.map((site) => backendOf(frontend, site, served.addressOf(site))),
    ),
    none,
  ].join('\n')
}

const globals = `global
  user haproxy
  group haproxy
  maxconn 4000
  nbthread 1
  log stdout format raw local0 info
  stats socket ${runtimeSocket} mode 660 group haproxy level admin

defaults
  mode http
  log global
  option httplog
  option dontlog-normal
  retries 1
  timeout connect 1s
  timeout client 60s
  timeout server 30s
  timeout check 300ms
`

const frontendOf = ({ name, port, mapKey }: Frontend) => `frontend ${name}
  bind :${port}
  use_backend %[str(${mapKey}),map(${mapFile},be_none)]
`

const backendOf = ({ backends, sitePort }: Frontend, site: SiteName, address: string) => `backend ${backends[site]}
  option httpchk GET /api/status
  default-server check inter 500ms fastinter 200ms downinter 200ms fall 2 rise 1
  http-response set-header X-Standby-Site ${site}
  server ${site} ${address}:${sitePort}
`

/** Where every key points while no site may serve. */
const none = `backend be_none
  http-request return status 503 content-type text/plain string "no active site"
`
