import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { askOverSql } from '../../../../src/clients/sql-question.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { dump } from '../../../../src/drivers/postgres/backup/dump.ts'
import type { Database, DeclaredDumps } from '../../../../src/drivers/postgres/spec.ts'
import { forwardedPort } from '../../../support/forwarded-port.ts'
import { recordingHosts, startMachineWithSandbox } from '../../../support/machine-with-sandbox.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import { applyPlainly } from '../../../support/plain-effect.ts'
import type { SystemdMachine } from '../../../support/systemd-machine.ts'
import { DC_A } from './database.ts'

export const PASSWORD = 'a p$ss"word\'s'
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

export async function startMachineWithDumps(): Promise<MachineWithDumps> {
  const [box, server] = await Promise.all([startMachineWithSandbox(), startObjectStore()])
  const { machine, sandbox } = box
  const { signal } = box.context
  startPrimary(machine)
  const forwarded = await forwardedPort(machine, server.endpoint)
  const place = { ...server.access(), endpoint: forwarded.endpoint }
  const store = await openObjectStore(place)

  const context: MachineWithDumps['context'] = ({ password = PASSWORD, wrongKey } = {}) => {
    const commands: string[] = []
    return {
      ...box.context,
      commands,
      platform: <Client>() => recordingHosts(box.hosts, commands) as Client,
      credential: async () => password,
      askSql: (question: Parameters<DriverContext['askSql']>[0]) => askOverSql(question, [signal]),
      objectStore: () => ({
        location: place,
        open: async () => (wrongKey ? openObjectStore({ ...place, secretAccessKey: 'another' }) : store),
      }),
    } as unknown as DriverContext & { readonly commands: string[] }
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
    emptySandbox: () => box.emptySandbox(context()),
    takeDump(component, begunAt, around = context()) {
      const step = { id: 'database.dump@dc-a', phase: 'PROTECT' as const, parameters: { machine: 'db-1' } }
      return applyPlainly(dump, { step, component, site: DC_A, context: around, signal, begunAt })
    },
    async stop() {
      await box.stop()
      await server.stop()
      await forwarded.stop()
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
