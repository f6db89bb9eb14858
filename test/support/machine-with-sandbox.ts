import { sshRunner } from '../../src/clients/ssh.ts'
import type { Sandbox } from '../../src/domain/restore-test.ts'
import type { Site, SiteName, Stack } from '../../src/domain/stack.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import { type HostsClient, openHosts } from '../../src/platform/hosts/client.ts'
import { emptyHostSandbox } from '../../src/platform/hosts/empty-sandbox.ts'
import { sandboxName } from '../../src/platform/hosts/sandbox-units.ts'
import { minutes, seconds } from '../../src/values/duration.ts'
import { type SystemdMachine, startSystemdMachine } from './systemd-machine.ts'
import { toyStack } from './toy-stack.ts'

const DIRECTORY = '/var/lib/standby'
const SANDBOX = sandboxName('shop')

/** A Debian machine that is the only host, `db-1`, of the sites dc-a and dc-b of a stack, with a sandbox. */
export interface MachineWithSandbox {
  readonly machine: SystemdMachine
  /** Its clock, log and signal are real, and log nothing; a test adds what its driver asks. */
  readonly context: Pick<DriverContext, 'stack' | 'clock' | 'log' | 'signal'>
  readonly hosts: HostsClient
  /** Of one restore test on dc-b. */
  readonly sandbox: Sandbox
  emptySandbox(context: DriverContext): Promise<number>
  stop(): Promise<void>
}

export async function startMachineWithSandbox(): Promise<MachineWithSandbox> {
  const machine = await startSystemdMachine()
  machine.root(`useradd --system --no-create-home --user-group standby-sandbox
mkdir -p ${DIRECTORY}/${SANDBOX} && touch ${DIRECTORY}/${SANDBOX}/.standby-sandbox`)
  const [served, passive] = ['dc-a', 'dc-b'].map((name) => siteOn(machine, name as SiteName)) as [Site, Site]
  const runner = sshRunner({
    host: machine.address,
    user: machine.user,
    privateKey: machine.privateKey,
    knownHosts: machine.knownHosts,
  })
  const hosts = openHosts(served, { ssh: () => runner, credential: async () => machine.knownHosts })
  if (hosts === null) throw new Error('no hosts')
  const stack: Stack = {
    ...toyStack,
    name: 'shop',
    sites: [served, passive],
    objectives: { backupAge: minutes(60), restoreTime: minutes(10) },
  }
  const clock = {
    now: () => new Date(),
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  }
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const { signal } = new AbortController()
  return {
    machine,
    context: { stack, clock, log, signal },
    hosts,
    sandbox: {
      id: 't1',
      site: passive.name,
      namespace: SANDBOX,
      labels: {},
      deadline: minutes(5),
      endpointOf: () => null,
    },
    emptySandbox: (context) =>
      emptyHostSandbox(passive.name, SANDBOX, context, { clock, log, signal, deadline: seconds(60), test: 't1' }),
    async stop() {
      await runner.close()
      await machine.stop()
    },
  }
}

/** The same client, which writes down each command before it runs it. */
export const recordingHosts = (hosts: HostsClient, commands: string[]): HostsClient => ({
  ...hosts,
  run(name, command, options) {
    commands.push(command)
    return hosts.run(name, command, options)
  },
})

const siteOn = (machine: SystemdMachine, name: SiteName): Site => ({
  name,
  platforms: {
    hosts: {
      ssh: { user: machine.user, privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' }, become: 'sudo' },
      machines: { 'db-1': { address: machine.address, machineId: machine.machineId } },
      sandbox: { machine: 'db-1', directory: DIRECTORY },
    },
  },
})
