import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { ensureAnsible } from '../ansible/ansible.ts'
import { execute } from '../execute.ts'
import { cached, runDirectory, type SiteName } from '../topology.ts'
import { consulSecrets, consulVariables } from './consul.ts'
import { type MachinesEnvironment, readMachinesEnvironment } from './environment.ts'
import { SECRETS } from './secrets.ts'

/** The published roles of the stack. */
export const rolesOfStack = join(import.meta.dirname, '..', '..', 'stacks', 'infisical-on-premise', 'ansible')

/** Of one host, as Ansible counts its tasks. */
export interface HostTotals {
  readonly ok: number
  readonly changed: number
  readonly failures: number
  readonly unreachable: number
}

export interface Deploying {
  /** Of the stack's; default: all of it. */
  readonly playbook?: string
  readonly signal: AbortSignal
  /** Called with each line of Ansible's output. */
  readonly onLine?: (line: string) => void
}

/**
 * Runs the published roles over the machines of the lab that is up, with `active` as the active site, and returns the
 * totals of each machine. Fails with the end of Ansible's output when a task fails.
 */
export async function deployMachines(
  active: SiteName,
  { playbook = 'site.yml', signal, onLine }: Deploying,
): Promise<Record<string, HostTotals>> {
  const environment = await readMachinesEnvironment()
  const bin = await ensureAnsible(signal)
  await provideApplication(signal)
  const inventory = join(runDirectory, 'ansible', 'inventory.json')
  await mkdir(dirname(inventory), { recursive: true, mode: 0o700 })
  await writeFile(inventory, JSON.stringify(inventoryOf(environment, active), null, 2))
  const output = await execute(
    join(bin, 'ansible-playbook'),
    ['--inventory', inventory, '--skip-tags', 'packages', playbook],
    {
      cwd: rolesOfStack,
      deadline: 600_000,
      env: {
        ...secretsOf(environment),
        ANSIBLE_SSH_ARGS: `-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=${environment.login.knownHosts}`,
        ANSIBLE_NOCOLOR: '1',
        PATH: [bin, process.env.PATH ?? ''].join(delimiter),
      },
      signal,
      ...(onLine === undefined ? {} : { onLine }),
    },
  )
  return totalsIn(output)
}

/** Bundles the lab's application, which stands for Infisical, from the checkout. */
const provideApplication = (signal: AbortSignal): Promise<string> =>
  execute(process.execPath, [join(import.meta.dirname, '..', 'application', 'build.ts'), applicationBundle], { signal })

const applicationBundle = cached('application', 'server-of-machines.mjs')

type Group = { readonly hosts: Readonly<Record<string, object>> }

/** The inventory that the roles want; groups by site, by task, and by which site is active. Pure. */
export function inventoryOf({ sites, login, s3, consul }: MachinesEnvironment, active: SiteName) {
  const machines = sites.flatMap((site) => site.machines.map((machine) => ({ ...machine, site: site.name })))
  const group = (fits: (machine: (typeof machines)[number]) => boolean): Group => ({
    hosts: Object.fromEntries(machines.filter(fits).map(({ name }) => [name, {}])),
  })
  const common = {
    ...(consul === undefined ? {} : { patroni_store: 'consul', ...consulVariables(consul) }),
    active_site: active,
    ansible_user: login.user,
    ansible_ssh_private_key_file: login.privateKey,
    update_packages: false,
    archive_endpoint: s3.secure.host,
    archive_port: s3.secure.port,
    pgbackrest_authority: s3.secure.authority,
    application_files: [{ src: applicationBundle, dest: '/opt/infisical/server.mjs' }],
  }
  const bySite = sites.map(({ name }) => [name.replaceAll('-', '_'), group(({ site }) => site === name)] as const)
  return {
    // On each host: what a group of an inventory file says yields to group_vars beside the playbook.
    sites: {
      hosts: Object.fromEntries(
        machines.map(({ name, address, site }) => [name, { ansible_host: address, site, ...common }]),
      ),
    },
    active: group(({ site }) => site === active),
    passive: group(({ site }) => site !== active),
    store: group(() => true),
    database: group(({ role }) => role !== 'app'),
    cache: group(({ role }) => role === 'app'),
    application: group(({ role }) => role === 'app'),
    sandbox: group(({ role }) => role === 'app'),
    ...Object.fromEntries(bySite),
  }
}

/** The variables that the published roles read; the keys of the archive are the lab's own. */
export function secretsOf({ sites, s3, consul }: MachinesEnvironment): Record<string, string> {
  const archive = sites.flatMap(({ name }): [string, string][] => {
    const { accessKeyId, secretAccessKey } = s3.accounts[`archive-${name}`]
    const suffix = name.toUpperCase().replaceAll('-', '_')
    return [
      [`ARCHIVE_ACCESS_KEY_ID_${suffix}`, accessKeyId],
      [`ARCHIVE_SECRET_ACCESS_KEY_${suffix}`, secretAccessKey],
    ]
  })
  return {
    ...SECRETS,
    ...(consul === undefined ? {} : consulSecrets(consul)),
    ...Object.fromEntries(archive),
  }
}

const RECAP = /^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)/gm

/** The totals in the `PLAY RECAP` at the end of Ansible's output. Pure. */
export function totalsIn(output: string): Record<string, HostTotals> {
  const recap = output.slice(output.lastIndexOf('PLAY RECAP'))
  return Object.fromEntries(
    [...recap.matchAll(RECAP)].map(([, host = '', ok, changed, unreachable, failures]) => [
      host,
      { ok: Number(ok), changed: Number(changed), failures: Number(failures), unreachable: Number(unreachable) },
    ]),
  )
}
