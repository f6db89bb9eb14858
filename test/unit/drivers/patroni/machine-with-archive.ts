import { until } from '../../../../lab/until.ts'
import { askOverHttp } from '../../../../src/clients/http-question.ts'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import { fetchTrusting } from '../../../../src/clients/trusting-fetch.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { CredentialReference, SiteName } from '../../../../src/domain/stack.ts'
import type { Action } from '../../../../src/driver/action.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Proof } from '../../../../src/driver/proofs.ts'
import type { Database, PatroniSpec } from '../../../../src/drivers/patroni/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { recordsIn } from '../../../../src/witness/records-in-store.ts'
import { startMachineWithSandbox } from '../../../support/machine-with-sandbox.ts'
import { memoryStore } from '../../../support/memory-store.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import type { SystemdMachine } from '../../../support/systemd-machine.ts'

export const DC_A = 'dc-a' as SiteName
const DATA = '/var/lib/postgresql/patroni/data'
const PROGRAMS = '/usr/lib/postgresql/15/bin'
const STORE = 's3.standby.test'
export const CIPHER = 'a long pass phrase'
export const STANZA = 'dc-a-g1'

/**
 * A Debian machine with etcd, Patroni and pgBackRest, as the roles of the published stack make them: the primary of
 * dc-a and the sandbox of dc-b. Its archive lies in an object store with TLS.
 */
export interface MachineWithArchive {
  readonly machine: SystemdMachine
  readonly store: ObjectStoreClient
  /** As the superuser on the primary. */
  sql(statement: string, database?: string): string
  asPostgres(command: string): string
  component(stanza?: string): Database
  context(more?: { readonly cipher?: string; readonly secret?: string }): DriverContext
  readonly sandbox: Sandbox
  emptySandbox(): Promise<number>
  /** Bytes of an object. */
  bytesOf(key: string): Promise<Buffer>
  /** Performs a plain step of dc-a to its end; `proof`: of every step before it. */
  perform<P extends JsonObject>(
    action: Action<PatroniSpec, P, Proof>,
    parameters: P,
    begunAt: string,
    proof?: Proof,
  ): Promise<Proof & JsonObject>
  /** Returns when all whole segments are archived. */
  archived(): Promise<void>
  assessment(): Assessment
  /** Promotes a copy of the primary that archives into another stanza, and makes rows there. */
  promoteCopy(stanza: string, statement: string): void
  /** Another database with the same tables, and its first backup in a stanza of its own. */
  startOther(stanza: string): void
  /** Makes the archive of one stanza that of another one, too. */
  copyStanza(from: string, to: string): Promise<void>
  stop(): Promise<void>
}

export async function startMachineWithArchive(): Promise<MachineWithArchive> {
  const box = await startMachineWithSandbox()
  const { machine, sandbox } = box
  const { clock, log, signal, stack } = box.context
  // The other end of its cable. A server of this process would be stopped while a command on the machine is waited for.
  const address = machine.gateway
  const server = await startObjectStore({ tls: true, address, alsoAt: [address, STORE] })
  const place = server.access()
  const store = await openObjectStore(place)
  const { port } = new URL(server.endpoint)
  configure(machine, { address, port, authority: place.authorities ?? '' })
  await until('Patroni to have a primary', { deadline: 300_000, every: 200 }, () =>
    fetch(`http://${machine.address}:8008/primary`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  const encoded = (text: string): string => `printf %s '${Buffer.from(text).toString('base64')}' | base64 -d`
  const asPostgres = (command: string): string =>
    machine.root(`cd /; ${encoded(command)} | runuser -u postgres -- sh -eu`)
  const sql = (statement: string, database = 'app'): string =>
    machine.root(
      `cd /; ${encoded(statement)} | runuser -u postgres -- psql -X -qAt -v ON_ERROR_STOP=1 -d ${database} -f -`,
    )
  sql('CREATE DATABASE app', 'postgres')

  const records = recordsIn(memoryStore(), log)
  const context: MachineWithArchive['context'] = ({ cipher = CIPHER, secret = 'root-secret' } = {}) => {
    const credentials: Readonly<Record<string, string>> = { CIPHER: cipher, ID: 'root', SECRET: secret }
    return {
      ...box.context,
      records,
      platform: <Client>() => box.hosts as Client,
      credential: async (reference: CredentialReference) => credentials['env' in reference ? reference.env : ''] ?? '',
      http: (request: Parameters<DriverContext['http']>[0]) => askOverHttp(request, [signal]),
      objectStore: () => ({
        location: {
          ...place,
          endpoint: `https://${STORE}:${port}`,
          credentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } },
          readCredentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } },
        },
        open: async () => store,
      }),
    } as unknown as DriverContext
  }
  const bytesOf = async (key: string): Promise<Buffer> => {
    const answer = await fetchTrusting(place.authorities ?? '', new URL(await store.presignedGet(key, 60_000)), {
      method: 'GET',
      headers: new Headers(),
      signal: AbortSignal.timeout(10_000),
    })
    return Buffer.from(await answer.arrayBuffer())
  }
  const members = {
    'pg-a1': { host: 'db-1', restApi: `http://${machine.address}:8008`, postgres: `${machine.address}:5432` },
  }
  const spec = (stanza: string): PatroniSpec => ({
    scope: 'app',
    database: 'app',
    store: { kind: 'etcd', endpoints: { 'dc-a': [`http://${machine.address}:2379`] } },
    server: { dataDirectory: DATA, programs: PROGRAMS },
    backups: {
      store: 'backups',
      folder: 'postgresql',
      stanzas: { 'dc-a': stanza, 'dc-b': 'dc-b-g1' },
      tables: ['orders', 'audit.logs'],
      cipher: { env: 'CIPHER' },
    },
    sites: { 'dc-a': { members }, 'dc-b': { members: {} } },
  })
  const component = (stanza = STANZA): Database => ({
    name: 'database',
    driver: 'patroni',
    needs: [],
    spec: spec(stanza),
  })
  return {
    machine,
    store,
    sql,
    asPostgres,
    sandbox,
    context,
    bytesOf,
    component,
    emptySandbox: () => box.emptySandbox(context()),
    async copyStanza(from, to) {
      for (const part of ['archive', 'backup'])
        for (const { key } of await store.list(`postgresql/${part}/${from}/`))
          await store.put(key.replace(`/${part}/${from}/`, `/${part}/${to}/`), await bytesOf(key))
    },
    async perform(action, parameters, begunAt, proof) {
      const { behaviour } = action
      if (behaviour.is !== 'plain') throw new Error(`${action.name} is no plain effect`)
      const run = {
        step: { id: `database.${action.name}@dc-a`, phase: 'PROTECT' as const, parameters },
        component: component(STANZA),
        site: DC_A,
        intent: null,
        context: context(),
        signal,
        begunAt,
        memory: { value: undefined, set: () => undefined },
        applied: false,
        pastReturn: false,
        proofOf: <Wanted extends Proof>() => (proof ?? null) as Wanted | null,
      }
      const ended = Date.now() + 60_000
      for (let applied = false; Date.now() < ended; applied = true) {
        const seen = await behaviour.done({ ...run, applied })
        if (seen.is === 'done') return seen.proof as Proof & JsonObject
        if (seen.is !== 'pending') throw new Error(`${'code' in seen ? seen.code : seen.is}: ${seen.why}`)
        if (!applied) await behaviour.apply({ ...run, applied })
        await clock.sleep(200, signal)
      }
      throw new Error(`${action.name} did not end`)
    },
    async archived() {
      await until('the WAL to be archived', { deadline: 30_000, every: 100 }, async () => {
        const waiting = asPostgres(`ls ${DATA}/pg_wal/archive_status | grep -c ready || true`)
        return waiting.trim() === '0'
      })
    },
    assessment: () => ({ now: clock.now().toISOString(), objectives: stack.objectives, activeSite: DC_A, stack }),
    promoteCopy(stanza, statement) {
      const data = '/var/lib/postgresql/forked'
      asPostgres(`pgbackrest --stanza=${STANZA} --pg1-path=${data} --lock-path=/tmp/forked restore
${startedCopy(data, 5433, stanza, 'hot_standby=on')}
${PROGRAMS}/psql -qAt -p 5433 -d app -c ${shellWord(statement)} -c 'SELECT pg_switch_wal()' -c 'CHECKPOINT' >/dev/null
${stoppedCopy(data)}`)
    },
    startOther(stanza) {
      const data = '/var/lib/postgresql/other'
      asPostgres(`${PROGRAMS}/initdb -D ${data} -A trust -E UTF8 --locale=C --no-sync >/dev/null
pgbackrest --stanza=${stanza} --pg1-path=${data} --no-online stanza-create
${startedCopy(data, 5434, stanza, 'wal_level=replica')}
${PROGRAMS}/psql -q -p 5434 -d postgres -c 'CREATE DATABASE app'
${PROGRAMS}/psql -q -p 5434 -d app -c 'CREATE SCHEMA audit; CREATE TABLE orders AS SELECT generate_series(1, 5000) id; CREATE TABLE audit.logs AS SELECT generate_series(1, 90) id'
pgbackrest --stanza=${stanza} --pg1-path=${data} --pg1-port=5434 --type=full backup
${stoppedCopy(data)}`)
    },
    async stop() {
      await box.stop()
      await server.stop()
    },
  }
}

/** A server beside the primary, which archives into a stanza of its own, and has left recovery. */
const startedCopy = (data: string, port: number, stanza: string, setting: string): string =>
  `${PROGRAMS}/pg_ctl -D ${data} -s -w -l ${data}.log -o "-c port=${port} -c listen_addresses='' -c hba_file=/etc/hba-of-test -c ident_file= -c fsync=off -c archive_mode=on -c ${setting} -c archive_command='pgbackrest --stanza=${stanza} --pg1-path=${data} archive-push %p'" start >/dev/null 2>&1 </dev/null
for _ in $(seq 1 100); do [ "$(${PROGRAMS}/psql -qAt -p ${port} -d postgres -c 'SELECT pg_is_in_recovery()')" = f ] && break; sleep 0.1; done`
/** All of it is archived before it ends. */
const stoppedCopy = (data: string): string => `${PROGRAMS}/pg_ctl -D ${data} -s -w -m fast stop
[ "$(ls ${data}/pg_wal/archive_status | grep -c ready || true)" = 0 ]`
const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

interface StoreOfMachine {
  readonly address: string
  readonly port: string
  readonly authority: string
}

/** What the roles etcd, patroni and pgbackrest leave on a machine. */
function configure(machine: SystemdMachine, { address, port, authority }: StoreOfMachine): void {
  const { address: own } = machine
  // Every JSON text is YAML.
  const patroni = {
    scope: 'app',
    name: 'pg-a1',
    restapi: { listen: `${own}:8008`, connect_address: `${own}:8008` },
    etcd3: { hosts: [`${own}:2379`] },
    bootstrap: {
      dcs: {
        ttl: 30,
        loop_wait: 2,
        postgresql: {
          use_pg_rewind: true,
          parameters: {
            wal_log_hints: 'on',
            archive_mode: 'on',
            archive_command: `pgbackrest --stanza=${STANZA} archive-push %p`,
          },
        },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums', 'no-sync'],
    },
    postgresql: {
      listen: `${own},127.0.0.1:5432`,
      connect_address: `${own}:5432`,
      data_dir: DATA,
      bin_dir: PROGRAMS,
      pgpass: '/var/lib/postgresql/patroni-pgpass',
      authentication: {
        superuser: { username: 'postgres', password: 'of-postgres' },
        replication: { username: 'replicator', password: 'of-replication' },
      },
      parameters: { unix_socket_directories: '/var/run/postgresql', fsync: 'off', shared_buffers: '32MB' },
      pg_hba: [
        'local all postgres peer',
        'host all all 127.0.0.1/32 scram-sha-256',
        `host all all ${own}/32 scram-sha-256`,
      ],
    },
  }
  const archive = `[global]
repo1-type=s3
repo1-s3-endpoint=${STORE}
repo1-storage-port=${port}
repo1-s3-region=us-east-1
repo1-s3-bucket=bucket
repo1-s3-uri-style=path
repo1-s3-key=root
repo1-s3-key-secret=root-secret
repo1-storage-ca-file=/etc/pgbackrest-authority.pem
repo1-path=/postgresql
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=${CIPHER}
repo1-bundle=y
repo1-retention-full=14
compress-type=lz4
start-fast=y
log-level-file=off
log-level-console=warn

[${STANZA}]
pg1-path=${DATA}
pg1-socket-path=/var/run/postgresql
`
  const unit = `[Service]
User=postgres
RuntimeDirectory=postgresql
RuntimeDirectoryMode=2775
ExecStart=/opt/patroni/bin/patroni /etc/patroni.yml
KillMode=process
`
  const file = (path: string, content: string): string =>
    `printf %s '${Buffer.from(content).toString('base64')}' | base64 -d >${path}`
  machine.root(`set -e
echo '${address} ${STORE}' >>/etc/hosts
echo 'local all all trust' >/etc/hba-of-test
${file('/etc/patroni.yml', JSON.stringify(patroni))}
${file('/etc/pgbackrest.conf', archive)}
${file('/etc/pgbackrest-authority.pem', authority)}
${file('/etc/systemd/system/patroni.service', unit)}
chown postgres: /etc/patroni.yml /etc/pgbackrest.conf
mkdir -p ${DATA}; chown -R postgres: /var/lib/postgresql; chmod 700 ${DATA}
systemctl daemon-reload
systemd-run --quiet --unit=etcd-of-test etcd --data-dir /var/lib/etcd-of-test --listen-client-urls http://${own}:2379 --advertise-client-urls http://${own}:2379 --unsafe-no-fsync
systemctl start --no-block patroni`)
}
