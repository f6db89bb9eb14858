import { createServer, connect as openSocket, type Socket } from 'node:net'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { askOverSql } from '../../../../src/clients/sql-question.ts'
import { sshRunner } from '../../../../src/clients/ssh.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { Site, SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { dump, type TakeDump } from '../../../../src/drivers/postgres/backup/dump.ts'
import type { Database, DeclaredDumps } from '../../../../src/drivers/postgres/spec.ts'
import { type HostsClient, openHosts } from '../../../../src/platform/hosts/client.ts'
import { emptyHostSandbox } from '../../../../src/platform/hosts/empty-sandbox.ts'
import { sandboxName } from '../../../../src/platform/hosts/sandbox-units.ts'
import { minutes, seconds } from '../../../../src/values/duration.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import { type SystemdMachine, startSystemdMachine } from '../../../support/systemd-machine.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { DC_A, DC_B } from './database.ts'

export const PASSWORD = 'a p$ss"word\'s'
const DIRECTORY = '/var/lib/standby'
const PROGRAMS = '/usr/lib/postgresql/15/bin'

/** A Debian machine with a primary of dc-a on it and the sandbox of dc-b, and an object store that it reaches. */
export interface MachineWithDumps {
  readonly machine: SystemdMachine
  readonly store: ObjectStoreClient
  /** As a superuser on the primary. */
  sql(statement: string, database?: string): string
  database(more: Partial<DeclaredDumps>): Database
  /** `passwords`: the answer for each reference; `keys`: with which the store is opened. */
  context(more?: {
    readonly password?: string
    readonly wrongKey?: true
  }): DriverContext & { readonly commands: string[] }
  readonly sandbox: Sandbox
  emptySandbox(): Promise<number>
  /** As the step of a backup does it. */
  takeDump(component: Database, begunAt: string, context?: DriverContext): Promise<unknown>
  stop(): Promise<void>
}

const clock = { now: () => new Date(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) }
const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
const { signal } = new AbortController()

export async function startMachineWithDumps(): Promise<MachineWithDumps> {
  const [machine, server] = await Promise.all([startSystemdMachine(), startObjectStore()])
  const close: (() => Promise<unknown>)[] = [() => machine.stop(), () => server.stop()]
  machine.root('useradd --system --no-create-home --user-group standby-sandbox')
  machine.root(
    `mkdir -p ${DIRECTORY}/${sandboxName('shop')} && touch ${DIRECTORY}/${sandboxName('shop')}/.standby-sandbox`,
  )
  startPrimary(machine)
  const forwarded = await forward(`${machine.address}`, server.endpoint)
  close.push(forwarded.stop)
  const place = { ...server.access(), endpoint: forwarded.endpoint }
  const store = await openObjectStore(place)
  const site = (name: SiteName): Site => ({
    name,
    platforms: {
      hosts: {
        ssh: { user: machine.user, privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' }, become: 'sudo' },
        machines: { 'db-1': { address: machine.address, machineId: machine.machineId } },
        sandbox: { machine: 'db-1', directory: DIRECTORY },
      },
    },
  })
  const stack: Stack = {
    ...toyStack,
    name: 'shop',
    sites: [site(DC_A), site(DC_B)],
    objectives: { backupAge: minutes(60), restoreTime: minutes(10) },
  }
  const runner = sshRunner({
    host: machine.address,
    user: machine.user,
    privateKey: machine.privateKey,
    knownHosts: machine.knownHosts,
  })
  close.unshift(() => runner.close())
  const hosts = openHosts(site(DC_A), {
    ssh: () => runner,
    credential: async () => machine.knownHosts,
  })
  if (hosts === null) throw new Error('no hosts')

  const context: MachineWithDumps['context'] = ({ password = PASSWORD, wrongKey } = {}) => {
    const commands: string[] = []
    const recording: HostsClient = {
      ...hosts,
      run(name, command, options) {
        commands.push(command)
        return hosts.run(name, command, options)
      },
    }
    return {
      stack,
      clock,
      log,
      signal,
      commands,
      platform: <Client>() => recording as Client,
      credential: async () => password,
      askSql: (question: Parameters<DriverContext['askSql']>[0]) => askOverSql(question, [signal]),
      objectStore: () => ({
        location: place,
        open: async () => (wrongKey ? openObjectStore({ ...place, secretAccessKey: 'another' }) : store),
      }),
    } as unknown as DriverContext & { readonly commands: string[] }
  }
  const sandbox: Sandbox = {
    id: 't1',
    site: DC_B,
    namespace: sandboxName('shop'),
    labels: {},
    deadline: minutes(5),
    endpointOf: () => null,
  }
  return {
    machine,
    store,
    sandbox,
    context,
    sql: (statement, database = 'app') =>
      machine.root(
        `cd /; printf %s '${Buffer.from(statement).toString('base64')}' | base64 -d | runuser -u postgres -- psql -X -qAt -v ON_ERROR_STOP=1 -d ${database} -f -`,
      ),
    database: (more) => ({
      name: 'database',
      driver: 'postgres',
      needs: [],
      spec: {
        database: 'app',
        user: 'standby',
        password: { env: 'DATABASE_PASSWORD' },
        tls: 'off',
        sites: { 'dc-a': { host: machine.address }, 'dc-b': { host: machine.address } },
        promote: 'sql',
        dumps: {
          store: 'backups',
          folder: 'postgres',
          tables: ['orders', 'audit.logs'],
          takenOn: { 'dc-a': 'db-1', 'dc-b': 'db-1' },
          ...more,
        },
      },
    }),
    emptySandbox: () =>
      emptyHostSandbox(DC_B, sandboxName('shop'), context(), { clock, log, signal, deadline: seconds(60), test: 't1' }),
    async takeDump(component, begunAt, around = context()) {
      const { behaviour } = dump
      if (behaviour.is !== 'plain') throw new Error('the dump is a plain effect')
      const run = {
        step: { id: 'database.dump@dc-a', phase: 'PROTECT' as const, parameters: { machine: 'db-1' } as TakeDump },
        component,
        site: DC_A,
        intent: null,
        context: around,
        signal,
        begunAt,
        memory: { value: undefined, set: () => undefined },
        applied: false,
        pastReturn: false,
        proofOf: () => null,
      }
      await behaviour.apply(run)
      return behaviour.done(run)
    },
    async stop() {
      for (const end of close) await end()
    },
  }
}

function startPrimary(machine: SystemdMachine): void {
  const data = '/var/lib/postgresql/primary'
  machine.root(`mkdir -p /var/lib/postgresql /run/postgresql && chown postgres: /var/lib/postgresql /run/postgresql
cd /; runuser -u postgres -- ${PROGRAMS}/initdb -D ${data} -A peer -E UTF8 --locale=C --no-sync >/dev/null
echo 'host all all 0.0.0.0/0 scram-sha-256' >>${data}/pg_hba.conf
runuser -u postgres -- ${PROGRAMS}/pg_ctl -D ${data} -s -w -l /var/lib/postgresql/log -o "-c listen_addresses='*' -c fsync=off" start >/dev/null 2>&1 </dev/null`)
  const setUp = `CREATE ROLE standby LOGIN PASSWORD '${PASSWORD.replaceAll("'", "''")}' IN ROLE pg_monitor, pg_read_all_data;
CREATE ROLE shop; CREATE DATABASE app OWNER shop; CREATE DATABASE other;
\\connect app
CREATE EXTENSION citext; CREATE SCHEMA audit;
CREATE TABLE orders (id int PRIMARY KEY, what citext); CREATE TABLE audit.logs (id int, said text);
ALTER TABLE orders OWNER TO shop; GRANT SELECT ON orders TO standby;
INSERT INTO orders SELECT n, 'Größe ' || n FROM generate_series(1, 1000) n;
INSERT INTO audit.logs SELECT n, encode(sha512(n::text::bytea), 'hex') FROM generate_series(1, 200000) n;
\\connect other
CREATE SCHEMA audit; CREATE TABLE orders (id int); CREATE TABLE audit.logs (id int);
INSERT INTO orders SELECT generate_series(1, 5000); INSERT INTO audit.logs SELECT generate_series(1, 300000);`
  machine.root(
    `cd /; printf %s '${Buffer.from(setUp).toString('base64')}' | base64 -d | runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 -d postgres -f -`,
  )
}

/** The store listens on an address that only this machine has: here it also listens where the other one reaches it. */
async function forward(
  address: string,
  endpoint: string,
): Promise<{ readonly endpoint: string; stop(): Promise<unknown> }> {
  const { hostname, port } = new URL(endpoint)
  const last = Number(address.split('.').at(-1))
  const here = [...address.split('.').slice(0, 3), last - 1].join('.')
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const to = openSocket(Number(port), hostname)
    client.pipe(to).pipe(client)
    for (const end of [client, to]) {
      sockets.add(end)
      end.on('error', () => end.destroy()).on('close', () => sockets.delete(end))
    }
  })
  await new Promise<void>((resolve) => server.listen(Number(port), here, resolve))
  return {
    endpoint: `http://${here}:${port}`,
    stop() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
