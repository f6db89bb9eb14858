import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * The data centres; also the names of their Kubernetes node and cluster. A lab has the first two, and the third where
 * it was asked for.
 */
export const siteNames = ['dc-a', 'dc-b', 'dc-c'] as const
export type SiteName = (typeof siteNames)[number]
/** As many as a lab may have, and has by default. */
export const SITE_COUNTS = [2, 3] as const

/**
 * The machines of a site in a lab of machines: two for the database; the third for the application, Redis and its
 * Sentinel. Each of the three holds a member of the site's store.
 */
export const machineRoles = ['db1', 'db2', 'app'] as const
export type MachineRole = (typeof machineRoles)[number]
export type MachineName = `${SiteName}-${MachineRole}`
export const machinesOf = (site: SiteName): MachineName[] => machineRoles.map((role): MachineName => `${site}-${role}`)
export const machineNames: readonly MachineName[] = siteNames.flatMap(machinesOf)

export type LoadBalancerName = 'lb-1' | 'lb-2'
export const loadBalancerNames: readonly LoadBalancerName[] = ['lb-1', 'lb-2']

/** Load balancers that run NGINX. A lab of Kubernetes has them, and the DNS server, after `up --nginx-and-dns`. */
export type NginxName = 'nginx-1' | 'nginx-2'
export const nginxNames: readonly NginxName[] = ['nginx-1', 'nginx-2']

/**
 * Everything with a network namespace of its own. A lab of Kubernetes has the sites themselves, a lab of machines has
 * the machines of its sites.
 */
export type HostName = SiteName | MachineName | LoadBalancerName | NginxName | 'dns' | 's3' | 'github'
export const hostNames: readonly HostName[] = [
  ...siteNames,
  ...machineNames,
  ...loadBalancerNames,
  ...nginxNames,
  'dns',
  's3',
  'github',
]

/**
 * Its hardware address is its own: one that it takes from a link would change, and be forgotten by others, when that
 * link leaves it.
 */
export const bridge = {
  name: 'standby0',
  address: '10.77.0.1',
  prefixLength: 24,
  network: '10.77.0.0/24',
  hardwareAddress: '0a:58:0a:4d:00:01',
} as const
/** Inside each site; what hangs on it is the site's own. */
export const podBridge = { name: 'cni0', hardwareAddress: '0a:58:0a:4e:00:01' } as const

const siteNumber: Readonly<Record<SiteName, number>> = { 'dc-a': 1, 'dc-b': 2, 'dc-c': 3 }

/** 10.77.0.111 is the first machine of the first site, 10.77.0.133 the last of the third. */
const machineAddresses = Object.fromEntries(
  siteNames.flatMap((site) =>
    machinesOf(site).map((machine, index) => [machine, `10.77.0.1${siteNumber[site]}${index + 1}`]),
  ),
) as Record<MachineName, string>

export const addressOf: Readonly<Record<HostName, string>> = {
  ...machineAddresses,
  'dc-a': '10.77.0.11',
  'dc-b': '10.77.0.12',
  'dc-c': '10.77.0.13',
  'lb-1': '10.77.0.21',
  'lb-2': '10.77.0.22',
  'nginx-1': '10.77.0.23',
  'nginx-2': '10.77.0.24',
  s3: '10.77.0.31',
  github: '10.77.0.41',
  dns: '10.77.0.51',
}

export const s3Port = 9000
export const githubPort = 8080
export const volumesPerSite = 16

/** The pod and service ranges of a site and the two service addresses that its parts must agree on. */
export function rangesOf(site: SiteName) {
  const n = siteNumber[site]
  return {
    pods: `10.78.${n}.0/24`,
    services: `10.79.${n}.0/24`,
    apiService: `10.79.${n}.1`,
    dnsService: `10.79.${n}.10`,
  }
}

export const apiServerOf = (site: SiteName) => `https://${addressOf[site]}:6443`

/** Namespaces, links and cgroups carry this prefix, so that nothing of the machine's own can be meant by mistake. */
export const namespaceOf = (host: HostName) => `standby-${host}`

/** Host side of a link: at most 15 characters (IFNAMSIZ), so a host's name has at most 8. */
export const linkOf = (host: HostName) => `sb-${host}`

/** The other end of a link that is slow; it begins with the same letters, by which `down` knows what is the lab's. */
export const farEndOf = (host: HostName) => `${linkOf(host)}-far`

/** What survives `down`: binaries, images, learned durations. */
export const cacheDirectory = () => process.env.STANDBY_LAB_CACHE ?? join(homedir(), '.cache', 'standby-lab')
export const cached = (...parts: string[]) => join(cacheDirectory(), ...parts)

/** What `down` removes. */
export const stateDirectory = '/var/lib/standby-lab'
export const runDirectory = '/run/standby-lab'
export const stateOf = (host: HostName, ...parts: string[]) => join(stateDirectory, host, ...parts)
export const runOf = (host: HostName, ...parts: string[]) => join(runDirectory, host, ...parts)
