import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { DnsServer } from '../../lab/wan/dns-bridge.ts'
import { namedConfiguration, namedOptions, updateKeyOf, zoneFile } from '../../lab/wan/named-configuration.ts'
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
  await Promise.all(['authority', 'resolver'].map((name) => mkdir(join(directory, name))))
  await writeFile(join(directory, 'authority', 'zone'), zoneFile(zone, records, ttl))
  const at = (folder: string, own: number) => ({
    directory: join(directory, folder),
    port: own,
    addresses: ['127.0.0.1'],
  })
  await writeFile(join(directory, 'authority', 'conf'), namedConfiguration({ ...at('authority', port), zone, secret }))
  await writeFile(
    join(directory, 'resolver', 'conf'),
    `options { ${namedOptions(at('resolver', resolverPort))} recursion yes; forward only;
       forwarders { 127.0.0.1 port ${port}; }; empty-zones-enable no; };
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
    updateKey: updateKeyOf(secret),
    resolve: (name) => ask(resolverPort, name),
    async stop() {
      await Promise.all([authority.stop(), resolver.stop()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
