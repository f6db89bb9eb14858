import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabDns } from '../environment.ts'
import { ensureDaemon, entryTo } from '../inside.ts'
import { accepts } from '../network/accepts.ts'
import { certificates } from '../private-store.ts'
import { addressOf, type SiteName, stateOf } from '../topology.ts'
import { until } from '../until.ts'
import type { BridgeSettings } from './dns-bridge.ts'
import { namedConfiguration, updateKeyOf, zoneFile } from './named-configuration.ts'

/** What the host runs of this machine, and the Debian package that brings it. */
export const dnsPrograms = {
  '/usr/sbin/named': 'bind9',
  '/usr/bin/dig': 'bind9-dnsutils',
  '/usr/bin/nsupdate': 'bind9-dnsutils',
} as const

const ZONE = 'standby.lab'
const RECORD = 'app'
const PORT = 53
const BRIDGE_PORT = 8443
/** Seconds that a resolver may keep the record. */
const TTL = 2
/** What the record says while no site may serve: an address that no host has. */
const CLOSED = '192.0.2.1'

const settingsPath = stateOf('dns', 'bridge.json')
const authorityPath = stateOf('dns', 'authority.pem')

/** Starts BIND with the zone of the lab, and the bridge that takes its updates over HTTP; the zone outlives an outage. */
export async function startDns(signal: AbortSignal): Promise<void> {
  await ensureFiles()
  const here = entryTo('dns')
  const configuration = stateOf('dns', 'named.conf')
  const named = { group: 'dns', name: 'named', command: [...here, '/usr/sbin/named', '-f', '-g', '-c', configuration] }
  await ensureDaemon(named)
  const program = join(import.meta.dirname, 'dns-bridge.ts')
  const bridge = [...here, process.execPath, program, '--settings', settingsPath]
  await ensureDaemon({ group: 'dns', name: 'dns-bridge', command: bridge })
  await until('the DNS server and its bridge answer', { deadline: 30_000, every: 100, signal }, async () => {
    const [dns, http] = await Promise.all([accepts('dns', PORT), accepts('dns', BRIDGE_PORT)])
    return dns && http
  })
}

/** The facts of a DNS server that was started. */
export async function describeDns(sites: readonly SiteName[]): Promise<LabDns> {
  const { token } = JSON.parse(await readFile(settingsPath, 'utf8')) as BridgeSettings
  return {
    server: addressOf.dns,
    name: `${RECORD}.${ZONE}`,
    url: `https://${addressOf.dns}:${BRIDGE_PORT}/records/${RECORD}`,
    token,
    authorities: await readFile(authorityPath, 'utf8'),
    addresses: Object.fromEntries(sites.map((site) => [site, addressOf[site]])),
    closed: CLOSED,
    ttl: TTL,
  }
}

/** Key, certificate and zone are made once for each lab; the settings of the bridge come last. */
async function ensureFiles(): Promise<void> {
  if (existsSync(settingsPath)) return
  const directory = stateOf('dns', 'named')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const secret = randomBytes(32).toString('base64')
  const addresses = ['127.0.0.1', addressOf.dns]
  await writeFile(
    stateOf('dns', 'named.conf'),
    namedConfiguration({ directory, zone: ZONE, port: PORT, addresses, secret }),
    { mode: 0o600 },
  )
  await writeFile(join(directory, 'zone'), zoneFile(ZONE, { [RECORD]: CLOSED }, TTL))
  const { authorities, key, cert } = await certificates(`IP:${addressOf.dns}`)
  await writeFile(authorityPath, authorities)
  const settings: BridgeSettings = {
    dns: { port: PORT, zone: ZONE, updateKey: updateKeyOf(secret) },
    token: randomBytes(16).toString('hex'),
    tls: { key, cert },
    listen: { host: addressOf.dns, port: BRIDGE_PORT },
  }
  await writeFile(settingsPath, JSON.stringify(settings), { mode: 0o600 })
}
