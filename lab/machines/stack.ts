import { existsSync, globSync, readFileSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Document, parse, parseDocument } from 'yaml'
import type { Identity } from '../../src/domain/identities.ts'
import { ensureAnsible } from '../ansible/ansible.ts'
import { canaryEnvironment } from '../canary.ts'
import { execute } from '../execute.ts'
import { STACK_ON_MACHINES } from '../lab-kind.ts'
import type { Credentials } from '../ledger/application-client.ts'
import type { PreparedStack } from '../prepared-stack.ts'
import { cached, machineRoles, runDirectory } from '../topology.ts'
import { archiveBuckets } from '../wan/s3-policies.ts'
import { CONSUL_PORT, consulSecrets, consulTokenOf, placeCertificates } from './consul.ts'
import type { MachinesEnvironment, MachinesSite } from './environment.ts'
import { SECRETS } from './secrets.ts'

const published = resolve(import.meta.dirname, '..', '..', 'stacks', STACK_ON_MACHINES)
/** The folder in which the stack file of the lab lies, with its playbooks. */
const directory = join(runDirectory, 'stacks', STACK_ON_MACHINES)
const path = join(directory, 'standby.yaml')
/** Beside the stack file: the authority that vouches for the object store by TLS. */
const AUTHORITY = 'object-store.pem'
const applicationBundle = cached('application', 'server-of-machines.mjs')

/**
 * Adapts the published stack on machines to the running lab as its user would: a copy of the folder, in which what is
 * marked "yours" is replaced. A second call finds everything as it left it.
 */
export async function prepareMachinesStack(lab: MachinesEnvironment, signal: AbortSignal): Promise<PreparedStack> {
  const [bin] = await Promise.all([ensureAnsible(signal), bundleApplication(signal)])
  await rm(join(directory, 'ansible'), { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await cp(published, directory, { recursive: true })
  await cp(lab.s3.secure.authority, join(directory, AUTHORITY))
  if (lab.consul !== undefined) await placeCertificates(lab.consul, join(directory, 'ansible'))
  const difference = lab.consul === undefined ? '' : await readFile(join(published, 'with-consul.yaml'), 'utf8')
  const adapted = adaptedStackFile(await readFile(path, 'utf8'), lab, join(bin, 'ansible-playbook'), difference)
  await writeFile(path, adapted)
  await quicken(join(directory, 'ansible', 'ansible.cfg'), bin)
  return {
    path,
    directory,
    addresses: lab.loadBalancers.map(({ frontends, host }) => frontends[0]?.url ?? `http://${host}`),
    environmentOf: async (identity) => environmentOf(lab, identity),
  }
}

/**
 * Lets the copy of the playbooks run by Mitogen, which keeps one Python for each machine. Ansible itself starts one for
 * each task: a first deploy took 240 s of two busy cores in place of 94 s, with the same result.
 */
async function quicken(configuration: string, bin: string): Promise<void> {
  const [strategies] = globSync(join(bin, '..', 'lib', 'python3*', 'site-packages', 'ansible_mitogen/plugins/strategy'))
  if (strategies === undefined) throw new Error(`lab-ansible-failed: ${bin} has no Mitogen beside it; remove it`)
  const quick = [
    `strategy_plugins = ${strategies}`,
    'strategy = mitogen_linear',
    'deprecation_warnings = False',
    'timeout = 60',
  ]
  const text = await readFile(configuration, 'utf8')
  await writeFile(configuration, text.replace('[defaults]', ['[defaults]', ...quick].join('\n')))
}

/** Bundles the lab's application, which stands for Infisical, from the checkout. */
const bundleApplication = (signal: AbortSignal): Promise<string> =>
  execute(process.execPath, [join(import.meta.dirname, '..', 'application', 'build.ts'), applicationBundle], { signal })

/**
 * The published stack file, in which values of the running lab replace what is marked "yours"; with Consul, the keys of
 * `difference` are put at their places before. Pure.
 */
export function adaptedStackFile(
  text: string,
  lab: MachinesEnvironment,
  ansiblePlaybook: string,
  difference = '',
): string {
  const document = parseDocument(text)
  putOver(document, parse(difference) ?? {})
  const set = (where: readonly string[], value: unknown): void => document.setIn(where, document.createNode(value))
  set(['witness', 'endpoint'], lab.s3.endpoint)
  set(['witness', 'region'], lab.s3.region)
  set(['components', 'hosts', 'program'], ansiblePlaybook)
  set(['components', 'hosts', 'skipTags'], ['packages'])
  const variables = {
    site_url: 'http://standby.lab',
    update_packages: false,
    archive_endpoint: lab.s3.secure.host,
    archive_port: lab.s3.secure.port,
    archive_region: lab.s3.region,
    pgbackrest_authority: lab.s3.secure.authority,
    application_files: [{ src: applicationBundle, dest: '/opt/infisical/server.mjs' }],
  }
  for (const [name, value] of Object.entries(variables)) set(['components', 'hosts', 'variables', name], value)
  set(
    ['components', 'traffic', 'instances'],
    lab.loadBalancers.map(({ host, frontends }) => ({ host, url: `${frontends[0]?.url}/api/status` })),
  )
  set(['components', 'traffic', 'ssh', 'user'], lab.login.user)
  for (const site of lab.sites) adaptSite(set, site, lab)
  return document.toString({ lineWidth: 0 })
}

/** Puts each value that is no map at its place in a document; what it does not name stays. */
function putOver(document: Document, difference: object, where: readonly string[] = []): void {
  for (const [key, value] of Object.entries(difference))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) putOver(document, value, [...where, key])
    else document.setIn([...where, key], document.createNode(value))
}

function adaptSite(
  set: (where: readonly string[], value: unknown) => void,
  site: MachinesSite,
  { s3, consul }: MachinesEnvironment,
): void {
  const { name } = site
  const addressOf = (role: (typeof machineRoles)[number]): string =>
    site.machines.find((machine) => machine.role === role)?.address ?? ''
  for (const { role, address, machineId } of site.machines)
    set(['sites', name, 'hosts', 'machines', role], { address, machineId })
  const store = { endpoint: s3.secure.endpoint, endpointCA: AUTHORITY, region: s3.region, bucket: bucketOf(name) }
  for (const [key, value] of Object.entries(store)) set(['components', 'archive', 'sites', name, key], value)
  set(
    ['components', 'database', 'store', 'endpoints', name],
    machineRoles.map((role) =>
      consul === undefined ? `http://${addressOf(role)}:2379` : `https://${addressOf(role)}:${CONSUL_PORT}`,
    ),
  )
  if (consul !== undefined)
    set(
      ['components', 'consul', 'sites', name, 'servers'],
      machineRoles.map((role) => `https://${addressOf(role)}:${CONSUL_PORT}`),
    )
  for (const role of ['db1', 'db2'] as const) {
    const member = ['components', 'database', 'sites', name, 'members', `${role}.${name}`]
    set([...member, 'restApi'], `http://${addressOf(role)}:8008`)
    set([...member, 'postgres'], `${addressOf(role)}:5432`)
  }
  const letter = name.slice(-1)
  const cache = ['components', 'cache', 'sites', name]
  set([...cache, 'redis', `redis-${letter}`, 'address'], `${addressOf('app')}:6379`)
  set([...cache, 'sentinels', `sentinel-${letter}`, 'address'], `${addressOf('app')}:26379`)
}

const bucketOf = (site: string): string =>
  archiveBuckets.find((bucket) => bucket === `infisical-${site}`) ?? `infisical-${site}`

/** The variables that the stack file names: keys of the object store by identity, and what machines and systems ask. */
export function environmentOf(
  { sites, login, s3, consul }: MachinesEnvironment,
  identity: Identity,
): Record<string, string> {
  // A guard reads with the keys of an observer; no operation of the lab runs as a guard.
  const witness = identity === 'guard' ? s3.accounts.observer : s3.accounts[identity]
  const archives = sites.flatMap(({ name }): [string, string][] => {
    const writes = identity === 'deployer' || identity === 'mover'
    const { accessKeyId, secretAccessKey } = writes ? s3.accounts[`archive-${name}`] : s3.accounts.reader
    const prefix = `ARCHIVE_${name.toUpperCase().replaceAll('-', '_')}`
    return [
      [`${prefix}_ACCESS_KEY_ID`, accessKeyId],
      [`${prefix}_SECRET_ACCESS_KEY`, secretAccessKey],
    ]
  })
  const canary = join(directory, 'canary.json')
  return {
    ...SECRETS,
    ...(consul === undefined ? {} : { ...consulSecrets(consul), CONSUL_TOKEN: consulTokenOf(identity) }),
    STANDBY_SSH_PRIVATE_KEY: login.privateKey,
    STANDBY_SSH_KNOWN_HOSTS: login.knownHosts,
    STANDBY_WITNESS_ACCESS_KEY_ID: witness.accessKeyId,
    STANDBY_WITNESS_SECRET_ACCESS_KEY: witness.secretAccessKey,
    STANDBY_GUARD_ACCESS_KEY_ID: s3.accounts.observer.accessKeyId,
    STANDBY_GUARD_SECRET_ACCESS_KEY: s3.accounts.observer.secretAccessKey,
    ARCHIVE_READER_ACCESS_KEY_ID: s3.accounts.reader.accessKeyId,
    ARCHIVE_READER_SECRET_ACCESS_KEY: s3.accounts.reader.secretAccessKey,
    ...(identity === 'mover'
      ? { ARCHIVE_POLICY_ACCESS_KEY_ID: witness.accessKeyId, ARCHIVE_POLICY_SECRET_ACCESS_KEY: witness.secretAccessKey }
      : {}),
    ...Object.fromEntries(archives),
    ...(existsSync(canary) ? canaryEnvironment(JSON.parse(readFileSync(canary, 'utf8')) as Credentials) : {}),
  }
}
