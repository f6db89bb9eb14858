import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { dump } from '../../../../src/drivers/redis-sentinel/backup/dump.ts'
import type { DeclaredDumps, Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import { forwardedPort } from '../../../support/forwarded-port.ts'
import { recordingHosts, startMachineWithSandbox } from '../../../support/machine-with-sandbox.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import { applyPlainly } from '../../../support/plain-effect.ts'
import type { SystemdMachine } from '../../../support/systemd-machine.ts'

export const [DC_A, DC_B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
export const PASSWORD = 'a p$ss"word\'s'
const APPLICATION = 'of-the-application'

/** The servers of the machine, by their ports. */
export const MASTER = 6379
export const REPLICA = 6380
/** A master of the same name, with the same accounts, that has nothing to do with the others. */
export const STRANGER = 6381

/** A Debian machine with a master and a replica of dc-a on it and the sandbox of dc-b, and a store that it reaches. */
export interface MachineWithDumps {
  readonly machine: SystemdMachine
  readonly store: ObjectStoreClient
  /** PEM: the authority of the store. */
  readonly authorities: string
  /** As the application, with these words; an argument is not quoted. */
  redis(port: number, words: string): string
  group(more?: Partial<DeclaredDumps>, port?: number): Group
  context(more?: {
    readonly password?: string
    readonly wrongKey?: true
  }): DriverContext & { readonly commands: string[] }
  readonly sandbox: Sandbox
  emptySandbox(): Promise<number>
  /** As the step of a backup does it. */
  takeDump(component: Group, begunAt: string, context?: DriverContext): Promise<unknown>
  stop(): Promise<void>
}

export async function startMachineWithDumps(): Promise<MachineWithDumps> {
  const box = await startMachineWithSandbox()
  const { machine, sandbox } = box
  const { signal } = box.context
  const server = await startObjectStore({ tls: true, alsoAt: [machine.gateway] })
  startServers(machine)
  const forwarded = await forwardedPort(machine, server.endpoint)
  const place = { ...server.access(), endpoint: forwarded.endpoint }
  const store = openObjectStore(server.access())
  const atMachine = openObjectStore(place)

  const context: MachineWithDumps['context'] = ({ password = PASSWORD, wrongKey } = {}) => {
    const commands: string[] = []
    // The runner itself reaches the store where it listens; the addresses for the machine lead to where it sees it.
    const opened: ObjectStoreClient = {
      ...store,
      presignedGet: atMachine.presignedGet,
      presignedPut: atMachine.presignedPut,
    }
    return {
      ...box.context,
      commands,
      platform: <Client>() => recordingHosts(box.hosts, commands) as Client,
      credential: async () => password,
      objectStore: () => ({
        location: place,
        open: async () => (wrongKey ? openObjectStore({ ...server.access(), secretAccessKey: 'another' }) : opened),
      }),
    } as unknown as DriverContext & { readonly commands: string[] }
  }
  const redis = (port: number, words: string): string =>
    machine
      .root(
        `REDISCLI_AUTH=${APPLICATION} redis-cli --no-auth-warning -h ${machine.address} --user application -p ${port} ${words}`,
      )
      .trim()
  return {
    machine,
    store,
    authorities: server.access().authorities ?? '',
    sandbox,
    context,
    redis,
    group: (more, port = MASTER) => ({
      name: 'cache',
      driver: 'redis-sentinel',
      needs: [],
      spec: {
        group: 'mymaster',
        redis: { user: 'standby', password: { env: 'REDIS_PASSWORD' } },
        dumps: {
          store: 'backups',
          as: { user: 'dumper', password: { env: 'REDIS_PASSWORD' } },
          ...more,
        },
        sites: {
          'dc-a': {
            redis: {
              'cache-a1': { host: 'db-1', address: `${machine.address}:${port}` },
              ...(port === MASTER ? { 'cache-a2': { host: 'db-1', address: `${machine.address}:${REPLICA}` } } : {}),
            },
            sentinels: {},
          },
        },
      },
    }),
    emptySandbox: () => box.emptySandbox(context()),
    takeDump(component, begunAt, around = context()) {
      const { folder = component.name } = component.spec.dumps ?? {}
      const step = { id: 'cache.dump@dc-a', phase: 'PROTECT' as const, parameters: { folder: `${folder}/` } }
      return applyPlainly(dump, { step, component, site: DC_A, context: around, signal, begunAt })
    },
    async stop() {
      await box.stop()
      await server.stop()
      await forwarded.stop()
    },
  }
}

/** Accounts as docs/drivers/redis-sentinel.md names them: one that looks and one that dumps, without a key. */
function startServers(machine: SystemdMachine): void {
  const configured = (port: number, more: readonly string[] = []): string =>
    [
      `bind ${machine.address}`,
      `port ${port}`,
      `dir /var/lib/redis-${port}`,
      ...['save ""', 'appendonly yes', 'repl-diskless-sync-delay 0', 'databases 32', 'user default off'],
      `user standby on ${userWord} +info +config|get +echo`,
      `user dumper on ${userWord} +sync +replconf`,
      `user application on >${APPLICATION} ~* &* +@all`,
      ...['masteruser application', `masterauth ${APPLICATION}`],
      ...more,
    ].join('\n')
  const start = (port: number, more: readonly string[] = []): string => {
    const text = Buffer.from(`${configured(port, more)}\n`).toString('base64')
    return `mkdir -p /var/lib/redis-${port}; echo ${text} | base64 -d >/etc/redis/${port}.conf
systemd-run --quiet --unit=redis-${port} redis-server /etc/redis/${port}.conf`
  }
  machine.root([start(MASTER), start(REPLICA, [`replicaof ${machine.address} ${MASTER}`]), start(STRANGER)].join('\n'))
  const ask = (port: number | string, words: string): string =>
    `REDISCLI_AUTH=${APPLICATION} redis-cli --no-auth-warning -h ${machine.address} --user application -p ${port} ${words}`
  machine.root(
    `for port in ${MASTER} ${REPLICA} ${STRANGER}; do for _ in $(seq 100); do [ "$(${ask('$port', 'PING')})" = PONG ] && break; sleep 0.1; done; done
seq 5000 | sed 's/.*/SET key:& value-of-&/' | ${ask(MASTER, '-n 0')} >/dev/null
seq 30 | sed 's/.*/SET session:& x EX 86400/' | ${ask(MASTER, '-n 20')} >/dev/null
${ask(MASTER, `FUNCTION LOAD "#!lua name=own\nredis.register_function('one', function() return 1 end)"`)} >/dev/null
seq 5000 | sed 's/.*/SET key:& value-of-&/' | ${ask(STRANGER, '-n 0')} >/dev/null
seq 30 | sed 's/.*/SET session:& x EX 86400/' | ${ask(STRANGER, '-n 20')} >/dev/null
${ask(MASTER, 'WAIT 1 20000')}`,
  )
}
/** As a configuration file of Redis reads it. */
const userWord = JSON.stringify(`>${PASSWORD}`)
