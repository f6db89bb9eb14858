import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { snapshot } from '../../../../src/drivers/consul/snapshots/take.ts'
import type { DeclaredSnapshots, Federation } from '../../../../src/drivers/consul/spec.ts'
import type { HostsClient } from '../../../../src/platform/hosts/client.ts'
import { binary } from '../../../support/binaries.ts'
import { type ConsulWorld, startConsul } from '../../../support/consul/server.ts'
import { forwardedPort } from '../../../support/forwarded-port.ts'
import { startMachineWithSandbox } from '../../../support/machine-with-sandbox.ts'
import { startObjectStore } from '../../../support/object-store.ts'
import { applyPlainly } from '../../../support/plain-effect.ts'
import type { SystemdMachine } from '../../../support/systemd-machine.ts'

export const [DC_A, DC_B] = ['dc-a' as SiteName, 'dc-b' as SiteName]

/** Real Consul of dc-a with ACLs, a machine with the program consul and the sandbox of dc-b, and an object store. */
export interface MachineWithConsul {
  readonly consul: ConsulWorld
  readonly machine: SystemdMachine
  readonly store: ObjectStoreClient
  readonly sandbox: Sandbox
  context(token?: string): DriverContext
  federation(more?: Partial<DeclaredSnapshots>, datacenter?: string): Federation
  emptySandbox(): Promise<number>
  /** As the step of a backup does it. */
  takeSnapshot(component: Federation, begunAt: string, around?: DriverContext): Promise<unknown>
  stop(): Promise<void>
}

export async function startMachineWithConsul(): Promise<MachineWithConsul> {
  const [consul, box] = await Promise.all([startConsul(['dc1'], { acl: true }), startMachineWithSandbox()])
  const { machine, sandbox, hosts } = box
  const server = await startObjectStore({ tls: true, alsoAt: [machine.gateway] })
  const { signal } = box.context
  await installConsul(machine, hosts)
  const forwarded = await forwardedPort(machine, server.endpoint)
  const store = openObjectStore(server.access())
  const atMachine = openObjectStore({ ...server.access(), endpoint: forwarded.endpoint })
  // The runner itself reaches the store where it listens; the address for the machine leads to where it sees it.
  const opened: ObjectStoreClient = { ...store, presignedGet: atMachine.presignedGet }

  const context = (token = consul.managementToken): DriverContext =>
    ({
      ...box.context,
      platform: <Client>() => hosts as Client,
      credential: async () => token,
      http: (request: HttpRequest) => askOverHttp(request, [signal]),
      objectStore: () => ({ location: server.access(), open: async () => opened }),
    }) as unknown as DriverContext
  return {
    consul,
    machine,
    store,
    sandbox,
    context,
    federation: (more, datacenter = 'dc1') => ({
      name: 'federation',
      driver: 'consul',
      needs: [],
      spec: {
        sites: {
          'dc-a': { datacenter, servers: [consul.datacenter('dc1').url] },
          'dc-b': { datacenter: 'dc2', servers: ['http://127.0.0.1:1'] },
        },
        snapshots: { store: 'backups', token: { env: 'CONSUL_SNAPSHOT_TOKEN' }, ...more },
      },
    }),
    emptySandbox: () => box.emptySandbox(context()),
    takeSnapshot(component, begunAt, around = context()) {
      const { folder = component.name } = component.spec.snapshots ?? {}
      const step = { id: 'federation.snapshot@dc-a', phase: 'PROTECT' as const, parameters: { folder: `${folder}/` } }
      return applyPlainly(snapshot, { step, component, site: DC_A, context: around, signal, begunAt })
    },
    async stop() {
      await Promise.all([consul.stop(), box.stop()])
      await server.stop()
      await forwarded.stop()
    },
  }
}

/** The machine fetches the program from this process: it is none of Debian's. */
async function installConsul(machine: SystemdMachine, hosts: HostsClient): Promise<void> {
  const program = await binary('consul')
  const files = createServer((_request, response) => createReadStream(program).pipe(response))
  await new Promise<void>((resolve) => files.listen(0, machine.gateway, resolve))
  const url = `http://${machine.gateway}:${(files.address() as AddressInfo).port}/consul`
  const script = `curl -sSf -o /usr/local/bin/consul ${url} && chmod 755 /usr/local/bin/consul`
  const { code, stderr } = await hosts.run('db-1', script, { asRoot: true, deadline: 60_000 })
  await new Promise((resolve) => files.close(resolve))
  if (code !== 0) throw new Error(stderr)
}
