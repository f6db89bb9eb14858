import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DnsServer } from '../../lab/wan/dns-bridge.ts'
import { needs } from './needs.ts'
import { freePorts, type ServerProcess, startServer } from './server-process.ts'

needs('named')

const run = promisify(execFile)

export interface Dns extends DnsServer {
  /** What a user's resolver says of a name: it keeps an answer for its TTL. */
  resolve(name: string): Promise<string>
  stop(): Promise<void>
}

/** A real authoritative server with a zone that takes dynamic updates, and a resolver that caches before it. */
export async function startDns(zone: string, records: Readonly<Record<string, string>>, ttl: number): Promise<Dns> {
  const directory = await mkdtemp(join(tmpdir(), 'standby-dns-'))
  const [port = 0, resolverPort = 0] = await freePorts(2)
  const secret = randomBytes(32).toString('base64')
  const lines = Object.entries(records).map(([name, address]) => `${name} ${ttl} A ${address}`)
  const head = `$ORIGIN ${zone}.\n@ ${ttl} SOA ns.${zone}. root.${zone}. 1 60 60 600 ${ttl}\n@ NS ns\nns A 127.0.0.1`
  await Promise.all(['authority', 'resolver'].map((name) => mkdir(join(directory, name))))
  await writeFile(join(directory, 'authority', 'zone'), `${head}\n${lines.join('\n')}\n`)
  const common = (folder: string, own: number): string => `options { directory "${join(directory, folder)}";
    pid-file none; session-keyfile none; listen-on port ${own} { 127.0.0.1; }; listen-on-v6 { none; }; dnssec-validation no;`
  await writeFile(
    join(directory, 'authority', 'conf'),
    `key update { algorithm hmac-sha256; secret "${secret}"; };
     ${common('authority', port)} recursion no; };
     controls { };
     zone "${zone}" { type primary; file "zone"; update-policy { grant update zonesub A; }; };`,
  )
  await writeFile(
    join(directory, 'resolver', 'conf'),
    `${common('resolver', resolverPort)} recursion yes; forward only; forwarders { 127.0.0.1 port ${port}; };
     empty-zones-enable no; };
     controls { };`,
  )
  const ask = async (at: number, name: string): Promise<string> =>
    (await run('dig', ['@127.0.0.1', '-p', String(at), `${name}.${zone}`, 'A', '+short', '+time=2'])).stdout.trim()
  const first = Object.keys(records)[0] ?? 'ns'
  const start = (folder: string, at: number): Promise<ServerProcess> =>
    startServer('named', ['-f', '-g', '-c', join(directory, folder, 'conf')], {
      answers: async () => (await ask(at, first)) === records[first],
    })
  const authority = await start('authority', port)
  const resolver = await start('resolver', resolverPort)
  return {
    port,
    zone,
    updateKey: `hmac-sha256:update:${secret}`,
    resolve: (name) => ask(resolverPort, name),
    async stop() {
      await Promise.all([authority.stop(), resolver.stop()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
