import { writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { openObjectStore } from '../../src/clients/object-store.ts'
import { sshRunner } from '../../src/clients/ssh.ts'
import { systemClock } from '../../src/composition/connect.ts'
import { componentOf, type SiteName, type Stack, siteOf } from '../../src/domain/stack.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import type { DeployUnit } from '../../src/driver/deployment.ts'
import { deployToMachines } from '../../src/drivers/guard/hosts/deploy.ts'
import type { GuardComponent } from '../../src/drivers/guard/spec.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { openHosts } from '../../src/platform/hosts/client.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { createActive, readActive, replaceActive } from '../../src/witness/active.ts'
import { conditionalStore } from '../../src/witness/s3/store.ts'
import { bundleBeside } from './guard-program.ts'
import { startObjectStore } from './object-store.ts'
import { type SystemdMachine, startSystemdMachine } from './systemd-machine.ts'
import { temporaryFolder } from './temporary-folder.ts'

const SITE = 'dc-a' as SiteName
export const POSTGRES_LOG = '/var/log/postgresql/guarded.log'

/** One machine of site dc-a, with etcd, Patroni with PostgreSQL, and Redis; its guard is installed by a deploy. */
export interface GuardedMachine {
  readonly machine: SystemdMachine
  readonly stack: Stack
  readonly context: DriverContext
  /** Names a site as the active one, in the next epoch. */
  name(activeSite: string): Promise<void>
  /** Whether the machine reaches the witness. */
  witnessAnswers: boolean
  deploy(): Promise<DeployUnit>
  close(): Promise<void>
}

export async function startGuardedMachine(): Promise<GuardedMachine> {
  const folder = temporaryFolder()
  await bundleBeside(folder)
  const [machine, storage] = await Promise.all([startSystemdMachine(), startObjectStore()])
  const signal = new AbortController().signal
  const witness = conditionalStore(openObjectStore(storage.access('witness/')), signal)
  const sockets = new Set<Socket>()
  const state = { answers: true }
  const relay = await startRelay(new URL(storage.endpoint), sockets, () => state.answers)
  const path = join(folder, 'standby.yaml')
  const text = stackText(machine, `http://${machine.gateway}:${relay.port}`)
  writeFileSync(path, text)
  const stack = parseStack(text, path, { drivers, witnesses })
  machine.root(`cat >/root/setup <<'END'\n${SETUP}\nEND\nsh -e /root/setup 2>&1`)
  await createActive(witness, record(1, 'dc-a'))

  const runner = sshRunner({
    host: machine.address,
    user: machine.user,
    privateKey: machine.privateKey,
    knownHosts: machine.knownHosts,
  })
  const hosts = openHosts(siteOf(stack, SITE), {
    ssh: () => runner,
    credential: async (reference) =>
      'env' in reference && reference.env === 'SSH' ? machine.privateKey : machine.knownHosts,
  })
  const keys = storage.access()
  const context = {
    stack,
    signal,
    clock: systemClock,
    log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    platform: <Client>() => hosts as Client,
    credential: async (reference: { readonly env?: string }) =>
      reference.env === 'KEY' ? keys.accessKeyId : keys.secretAccessKey,
  } as unknown as DriverContext
  return {
    machine,
    stack,
    context,
    async name(activeSite) {
      const before = await readActive(witness)
      if (before === null) throw new Error('the witness names no site')
      await replaceActive(witness, record(before.record.epoch + 1, activeSite), before)
    },
    get witnessAnswers() {
      return state.answers
    },
    set witnessAnswers(answers) {
      state.answers = answers
      if (!answers) for (const socket of sockets) socket.destroy()
    },
    async deploy() {
      const component = componentOf(stack, 'guard') as unknown as GuardComponent
      const [unit] = await deployToMachines(component, SITE, context)
      if (unit === undefined) throw new Error('no machine has a guard')
      return unit
    },
    async close() {
      await runner.close()
      for (const socket of sockets) socket.destroy()
      relay.server.close()
      await machine.stop()
      await storage.stop()
    },
  }
}

const record = (epoch: number, activeSite: string) => ({
  schemaVersion: 1 as const,
  stack: 'shop',
  epoch,
  activeSite: activeSite as SiteName,
  since: '2026-11-20T00:00:00.000Z',
  run: 'r',
})

/** The way from the machine to the store, which can be cut. */
async function startRelay(
  to: URL,
  sockets: Set<Socket>,
  answers: () => boolean,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((from) => {
    sockets.add(from)
    from.on('error', () => undefined)
    from.on('close', () => sockets.delete(from))
    if (!answers()) return void from.destroy()
    const there = connect(Number(to.port), to.hostname)
    there.on('error', () => from.destroy())
    from.on('close', () => there.destroy())
    from.pipe(there).pipe(from)
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

const stackText = ({ address, machineId, user }: SystemdMachine, endpoint: string): string => `standby: 1
name: shop
sites:
  dc-a:
    hosts:
      ssh: { user: ${user}, privateKey: { env: SSH }, knownHosts: { env: KNOWN }, become: sudo }
      machines: { db-1: { address: ${address}, machineId: "${machineId}" } }
  dc-b:
    hosts:
      ssh: { user: ${user}, privateKey: { env: SSH }, knownHosts: { env: KNOWN }, become: sudo }
      machines: { db-2: { address: 192.0.2.2 } }
initialActive: dc-a
witness:
  driver: s3
  endpoint: "${endpoint}"
  region: us-east-1
  bucket: bucket
  prefix: witness/
  credentials: { accessKeyId: { env: KEY }, secretAccessKey: { env: SECRET } }
components:
  database:
    driver: patroni
    scope: shop
    database: postgres
    store:
      kind: etcd
      endpoints: { dc-a: ["http://127.0.0.1:2379"], dc-b: ["http://192.0.2.2:2379"] }
    server: { dataDirectory: /var/lib/postgresql/shop, programs: /usr/lib/postgresql/15/bin }
    sites:
      dc-a: { members: { a1: { host: db-1, restApi: "http://${address}:8008", postgres: "${address}:5432" } } }
      dc-b: { members: { b1: { host: db-2, restApi: "http://192.0.2.2:8008", postgres: "192.0.2.2:5432" } } }
  cache:
    driver: redis-sentinel
    group: shop
    sites:
      dc-a:
        redis: { ra: { host: db-1, address: "127.0.0.1:6379", configFile: /etc/redis/redis.conf } }
        sentinels: { sa: { host: db-1, address: "127.0.0.1:26379" } }
      dc-b:
        redis: { rb: { host: db-2, address: "192.0.2.2:6379" } }
        sentinels: { sb: { host: db-2, address: "192.0.2.2:26379" } }
  guard:
    driver: guard
    on: hosts
    witnessCredentials: { accessKeyId: { env: KEY }, secretAccessKey: { env: SECRET } }
    every: 1s
    silence: 12s
`

/** As the roles of the published stack set them up, on one machine. */
const SETUP = `systemctl enable --now --quiet etcd
mkdir -p /etc/patroni /var/log/postgresql
chown postgres:postgres /var/log/postgresql
cat >/etc/patroni/patroni.yml <<'YAML'
scope: shop
namespace: /service/
name: a1
restapi: { listen: "0.0.0.0:8008", connect_address: "127.0.0.1:8008" }
etcd3: { hosts: ["127.0.0.1:2379"] }
bootstrap:
  dcs: { ttl: 20, loop_wait: 2, retry_timeout: 3 }
  initdb: [{ encoding: UTF8 }, { locale: C.UTF-8 }]
postgresql:
  listen: "0.0.0.0:5432"
  connect_address: "127.0.0.1:5432"
  data_dir: /var/lib/postgresql/shop
  bin_dir: /usr/lib/postgresql/15/bin
  pgpass: /var/lib/postgresql/pgpass
  authentication:
    superuser: { username: postgres, password: secret }
    replication: { username: replicator, password: secret }
  parameters:
    unix_socket_directories: /var/run/postgresql
    logging_collector: "on"
    log_directory: /var/log/postgresql
    log_filename: guarded.log
    log_line_prefix: "%m "
  pg_hba: [ "local all postgres peer", "host all all 127.0.0.1/32 scram-sha-256" ]
YAML
chown -R postgres:postgres /etc/patroni
cat >/etc/systemd/system/patroni.service <<'UNIT'
[Unit]
Description=Patroni with PostgreSQL
After=network-online.target etcd.service standby-guard.service
Wants=network-online.target

[Service]
Type=simple
User=postgres
Group=postgres
RuntimeDirectory=postgresql
RuntimeDirectoryMode=2775
RuntimeDirectoryPreserve=yes
ExecStart=/opt/patroni/bin/patroni /etc/patroni/patroni.yml
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=process
TimeoutSec=60
Restart=on-failure

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now --quiet patroni redis-server`
