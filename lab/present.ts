import { labIsOfMachines } from './lab-kind.ts'
import { recordedProcesses } from './state.ts'
import { type HostName, hostNames, machineNames, machinesOf, nginxNames, type SiteName, siteNames } from './topology.ts'

/** The sites that this lab has: three of machines; of Kubernetes the first two, and the third once it was started. */
export const presentSites = (): readonly SiteName[] =>
  siteNames.filter((site, index) => labIsOfMachines() || index < 2 || recordedProcesses(site).length > 0)

/** Hosts that a lab of Kubernetes has where they were asked for. */
const onDemand: readonly HostName[] = [...nginxNames, 'dns']

/** True when the lab has the NGINX hosts and the DNS server: `up --nginx-and-dns` has started them. */
export const nginxAndDnsArePresent = (): boolean => onDemand.some((host) => recordedProcesses(host).length > 0)

/** Every host that this lab has, in the order of `hostNames`. */
export function presentHosts(): readonly HostName[] {
  const absent: readonly HostName[] = labIsOfMachines()
    ? siteNames
    : [...machineNames, ...siteNames.filter((site) => !presentSites().includes(site))]
  const unasked = nginxAndDnsArePresent() ? [] : onDemand
  return hostNames.filter((host) => !absent.includes(host) && !unasked.includes(host))
}

/** The hosts that an outage of `host` means: a site of machines is all of its machines. */
export const hostsOf = (host: HostName): readonly HostName[] => {
  const site = siteNames.find((name) => name === host)
  return site !== undefined && labIsOfMachines() ? machinesOf(site) : [host]
}
