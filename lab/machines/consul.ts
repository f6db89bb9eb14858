import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, cp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Identity } from '../../src/domain/identities.ts'
import { makeAuthority, sign } from '../site/pki.ts'
import { addressOf, machinesOf, type SiteName, siteNames, stateDirectory } from '../topology.ts'

/** What the role `consul` needs of the lab: the program, an authority, a certificate for each site, a gossip key. */
export interface LabConsul {
  /** The folder of the certificates and keys. */
  readonly certificates: string
}

/** By TLS; without it, a machine answers itself alone. */
export const CONSUL_PORT = 8501

const home = join(stateDirectory, 'consul')
const program = join(home, 'program')
const certificates = join(home, 'certificates')

/** Undefined where the lab was started without Consul. */
export const presentConsul = (): LabConsul | undefined => (existsSync(certificates) ? { certificates } : undefined)

/** What each machine has beside its tree, which holds what may be given away: Consul's licence is the BUSL. */
export const programsOfMachines = (): readonly { readonly program: string; readonly path: string }[] =>
  existsSync(program) ? [{ program, path: '/usr/bin/consul' }] : []

/** Makes, once for each lab, all that its user makes by hand, as the README of the stack says. */
export async function ensureConsul(built: string): Promise<void> {
  if (existsSync(certificates)) return
  await mkdir(home, { recursive: true, mode: 0o700 })
  await copyFile(built, program)
  const unfinished = `${certificates}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished)
  const at = (file: string): string => join(unfinished, file)
  await makeAuthority(at, 'standby-lab-consul')
  await Promise.all(siteNames.map((site) => sign(at, certificateOf(site))))
  await writeFile(at('gossip'), randomBytes(32).toString('base64'))
  await rename(unfinished, certificates)
}

/** Servers of other datacenters know a server by the first name, and clients know a machine by its address. */
const certificateOf = (site: SiteName) => ({
  file: site,
  subject: `/CN=server.${site}.consul`,
  names: [
    `DNS:server.${site}.consul`,
    'DNS:localhost',
    'IP:127.0.0.1',
    ...machinesOf(site).map((machine) => `IP:${addressOf[machine]}`),
  ],
})

/** Brings authority and certificates to where the playbooks of the stack look for them. */
export async function placeCertificates({ certificates }: LabConsul, playbooks: string): Promise<void> {
  const folder = join(playbooks, 'files', 'consul')
  await mkdir(folder, { recursive: true })
  await cp(join(certificates, 'ca.crt'), join(folder, 'authority.pem'))
  for (const site of siteNames) await cp(join(certificates, `${site}.crt`), join(folder, `${site}.pem`))
}

/** The same for playbooks that run from where they are published. */
export const consulVariables = ({ certificates }: LabConsul) => ({
  consul_authority: join(certificates, 'ca.crt'),
  consul_certificate: `${certificates}/{{ site }}.crt`,
})

/** Fixed, as all secrets of the lab. */
const TOKENS = {
  CONSUL_MANAGEMENT_TOKEN: '00000000-0000-4000-8000-000000000001',
  CONSUL_AGENT_TOKEN: '00000000-0000-4000-8000-000000000002',
  CONSUL_REPLICATION_TOKEN: '00000000-0000-4000-8000-000000000003',
  CONSUL_PATRONI_TOKEN: '00000000-0000-4000-8000-000000000004',
  CONSUL_OBSERVER_TOKEN: '00000000-0000-4000-8000-000000000005',
  CONSUL_MOVER_TOKEN: '00000000-0000-4000-8000-000000000006',
  CONSUL_SNAPSHOT_TOKEN: '00000000-0000-4000-8000-000000000007',
} as const

/** The variables that the roles read, and the authority for Standby. */
export function consulSecrets({ certificates }: LabConsul): Record<string, string> {
  const read = (file: string): string => readFileSync(join(certificates, file), 'utf8')
  const keys = siteNames.map((site) => [
    `CONSUL_PRIVATE_KEY_${site.toUpperCase().replaceAll('-', '_')}`,
    read(`${site}.key`),
  ])
  return {
    ...TOKENS,
    CONSUL_GOSSIP_KEY: read('gossip'),
    CONSUL_AUTHORITY: read('ca.crt'),
    ...Object.fromEntries(keys),
  }
}

/** The token by which an identity of Standby asks Consul. */
export const consulTokenOf = (identity: Identity): string =>
  identity === 'deployer' || identity === 'mover' ? TOKENS.CONSUL_MOVER_TOKEN : TOKENS.CONSUL_OBSERVER_TOKEN
