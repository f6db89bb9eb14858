import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { masking } from '../../runtime/masking.ts'
import type { Json } from '../../values/json.ts'
import { inventoryOf, type SshFiles } from './inventory.ts'
import { PLUGIN, PLUGIN_SOURCE } from './results-plugin.ts'
import { machinesOf, type Playbook } from './spec.ts'

/** What one run of Ansible reads, in a folder that only its user can open. */
export interface PrivateFiles {
  readonly home: string
  readonly inventory: string
  readonly extraVariables: string
  /** `id@path`, as `--vault-id` takes it. */
  readonly vaultIds: readonly string[]
  /** Secrets that Ansible has read when the playbook begins: the plugin removes them then. */
  readonly readOnce: readonly string[]
  readonly plugins: string
  readonly results: string
  readonly connections: string
  readonly temporary: string
  readonly environment: Readonly<Record<string, string>>
  /** A text in which each secret of this run is replaced. */
  masked(text: string): string
}

/** Writes the files of one run, and removes them after the work, or when the process ends. */
export async function withPrivateFiles<T>(
  component: Playbook,
  site: SiteName,
  activeSite: SiteName,
  context: DriverContext,
  work: (files: PrivateFiles) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'standby-ansible-'))
  const remove = (): void => rmSync(home, { recursive: true, force: true })
  process.on('exit', remove)
  try {
    return await work(await writeFiles(home, component, site, activeSite, context))
  } finally {
    process.off('exit', remove)
    await rm(home, { recursive: true, force: true })
  }
}

async function writeFiles(
  home: string,
  component: Playbook,
  site: SiteName,
  activeSite: SiteName,
  context: DriverContext,
): Promise<PrivateFiles> {
  const hidden = masking()
  const secret = async (reference: CredentialReference, of: SiteName = site): Promise<string> => {
    const value = await context.credential(reference, of)
    hidden.add(value)
    return value
  }
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(home, name)
    await writeFile(path, content, { mode: 0o600 })
    return path
  }
  // Content, or the path of a file. ssh refuses a key whose last line has no end, as most secret stores return it.
  const sshFile = async (name: string, value: string): Promise<string> =>
    !value.includes('\n') && existsSync(value) ? value : file(name, `${value.trimEnd()}\n`)
  const folder = async (name: string): Promise<string> => {
    const path = join(home, name)
    await mkdir(path, { mode: 0o700 })
    return path
  }
  const { stack } = context
  const ssh = new Map<SiteName, SshFiles>()
  for (const one of stack.sites) {
    const declared = declaredHosts(one)?.ssh
    if (declared === undefined || machinesOf(component, one).length === 0) continue
    ssh.set(one.name, {
      privateKey: await sshFile(`key-${one.name}`, await secret(declared.privateKey, one.name)),
      knownHosts: await sshFile(`known-hosts-${one.name}`, await context.credential(declared.knownHosts, one.name)),
    })
  }
  const filesOf = (of: SiteName): SshFiles => ssh.get(of) ?? { privateKey: '/dev/null', knownHosts: '/dev/null' }
  const inventory = inventoryOf(component, stack, activeSite, filesOf)
  const ofSecrets = await valuesOf(component.spec.secrets, secret)
  const extraVariables = await file('extra.yml', extraVariablesOf(component, stack, activeSite, ofSecrets))
  const vault = await valuesOf(component.spec.vault, secret)
  const vaultFiles = await Promise.all(
    Object.entries(vault).map(async ([id, password]) => ({ id, path: await file(`vault-${id}`, `${password}\n`) })),
  )
  const plugins = await folder('plugins')
  await file(join('plugins', `${PLUGIN}.py`), PLUGIN_SOURCE)
  return {
    home,
    inventory: await file('inventory.json', JSON.stringify(inventory)),
    extraVariables,
    vaultIds: vaultFiles.map(({ id, path }) => `${id}@${path}`),
    readOnce: [extraVariables, ...vaultFiles.map(({ path }) => path)],
    plugins,
    results: join(home, 'results.jsonl'),
    // Short: the path of a Unix socket has 107 bytes at most.
    connections: await folder('c'),
    temporary: await folder('tmp'),
    environment: await valuesOf(component.spec.environment, secret),
    masked: hidden.masked,
  }
}

async function valuesOf(
  references: Readonly<Record<string, CredentialReference>> | undefined,
  secret: (reference: CredentialReference) => Promise<string>,
): Promise<Record<string, string>> {
  const entries = Object.entries(references ?? {}).map(
    async ([name, reference]) => [name, await secret(reference)] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

/** YAML, line by line. A secret is never a template, whatever it holds (`!unsafe`). Pure. */
export function extraVariablesOf(
  { spec: { variables = {} } }: Playbook,
  { sites }: Pick<Stack, 'sites'>,
  activeSite: SiteName,
  secrets: Readonly<Record<string, string>>,
): string {
  const own: Record<string, Json> = { active_site: activeSite, site_names: sites.map(({ name }) => name) }
  const lines = [
    ...Object.entries({ ...variables, ...own }).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    ...Object.entries(secrets).map(([name, value]) => `${name}: !unsafe ${JSON.stringify(value)}`),
  ]
  return `${lines.join('\n')}\n`
}
