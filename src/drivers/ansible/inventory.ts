import type { Site, SiteName, Stack } from '../../domain/stack.ts'
import { quoted } from '../../driver/manual.ts'
import { type DeclaredHosts, declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import type { JsonObject } from '../../values/json.ts'
import { groupOfSite, machinesOf, type Playbook } from './spec.ts'

/** Where the ssh key and the host keys of a site lie. */
export interface SshFiles {
  readonly privateKey: string
  readonly knownHosts: string
}

/** The name of a machine in the inventory: `db1.dc-a`. */
export const inventoryName = (machine: string, site: SiteName | string): string => `${machine}.${site}`

/**
 * The inventory that the stack file gives, as Ansible reads JSON. Each host has an address and what ssh needs, `site`
 * and `site_role`. Groups: `sites` (all), one for each site, `active`, `passive`, and the declared ones. The variables
 * are on the hosts, because those of a group yield to `group_vars` beside the playbook. Pure.
 */
export function inventoryOf(
  component: Playbook,
  { sites }: Stack,
  activeSite: SiteName,
  filesOf: (site: SiteName) => SshFiles,
): JsonObject {
  const hosts = sites.flatMap((site) =>
    machinesOf(component, site).map((machine) => ({
      site: site.name,
      machine,
      name: inventoryName(machine, site.name),
    })),
  )
  const group = (belongs: (host: (typeof hosts)[number]) => boolean): JsonObject => ({
    hosts: Object.fromEntries(hosts.filter(belongs).map(({ name }) => [name, {}])),
  })
  return {
    sites: {
      hosts: Object.fromEntries(sites.flatMap((site) => hostsOfSite(component, site, activeSite, filesOf(site.name)))),
    },
    active: group(({ site }) => site === activeSite),
    passive: group(({ site }) => site !== activeSite),
    ...Object.fromEntries(sites.map(({ name }) => [groupOfSite(name), group(({ site }) => site === name)])),
    ...Object.fromEntries(
      Object.entries(component.spec.groups ?? {}).map(([name, machines]) => [
        name,
        group(({ machine }) => machines.includes(machine)),
      ]),
    ),
  }
}

function hostsOfSite(component: Playbook, site: Site, activeSite: SiteName, files: SshFiles): [string, JsonObject][] {
  const hosts = declaredHosts(site)
  if (hosts === undefined) return []
  const { ssh, machines } = hosts
  return machinesOf(component, site).flatMap((name): [string, JsonObject][] => {
    const machine = machines[name]
    if (machine === undefined) return []
    const variables: JsonObject = {
      ansible_host: machine.address,
      ansible_port: machine.port ?? ssh.port ?? 22,
      ansible_user: ssh.user,
      ansible_ssh_private_key_file: files.privateKey,
      ansible_ssh_common_args: commonArguments(ssh, files),
      ansible_host_key_checking: true,
      site: site.name,
      site_role: site.name === activeSite ? 'active' : 'passive',
    }
    return [[inventoryName(name, site.name), variables]]
  })
}

/** Reads no configuration, agent or key of the machine, and believes the declared host keys alone. */
function commonArguments({ jump, user }: DeclaredHosts['ssh'], { privateKey, knownHosts }: SshFiles): string {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    `IdentityFile=${privateKey}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=publickey',
  ]
  const words = ['-F', 'none', ...options.flatMap((option) => ['-o', option])]
  if (jump === undefined) return words.map(quoted).join(' ')
  // ProxyCommand replaces what begins with %, and runs the rest in a shell; -J would take no option along.
  const through = [
    'ssh',
    ...words.map((word) => word.replaceAll('%', '%%')),
    ...['-T', '-p', String(jump.port ?? 22), '-l', jump.user ?? user, '-W', '[%h]:%p', jump.host],
  ]
  return [...words, '-o', `ProxyCommand=${through.map(quoted).join(' ')}`].map(quoted).join(' ')
}
