import { recordedProcesses } from './state.ts'
import { type HostName, hostNames, type SiteName, siteNames } from './topology.ts'

/** The sites that this lab has: the first two, and the third once it was started. */
export const presentSites = (): readonly SiteName[] =>
  siteNames.filter((site, index) => index < 2 || recordedProcesses(site).length > 0)

/** Every host but the sites that nobody asked for. */
export const presentHosts = (): readonly HostName[] =>
  hostNames.filter(
    (host) =>
      !(siteNames as readonly HostName[]).includes(host) || (presentSites() as readonly HostName[]).includes(host),
  )
