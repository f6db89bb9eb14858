import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type SshAccess, type SshRunner, sshRunner } from '../../../src/clients/ssh.ts'
import type { Site, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { observe } from '../../../src/observation/observe.ts'
import { livenessOf } from '../../../src/planning/liveness.ts'
import { HOSTS, type HostsClient, openHosts } from '../../../src/platform/hosts/client.ts'
import type { DeclaredHosts } from '../../../src/platform/hosts/declared-hosts.ts'
import { hostsPlatform } from '../../../src/platform/hosts/platform.ts'
import type { PlatformView } from '../../../src/platform/platform.ts'
import { seconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { freePorts } from '../../support/server-process.ts'
import { type SshServer, startSshServer } from '../../support/ssh-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'

jest.setTimeout(60_000)

/** A host that says who it is once a file is there; it has no machine-id. */
const WAITING = {
  'usr/bin/uname': `#!/bin/sh
while [ ! -e /home/tester/go ]; do sleep 0.1; done
echo Linux late
`,
}
const [ID_1, ID_2] = ['1'.repeat(32), '2'.repeat(32)]
let one: SshServer
let two: SshServer
let late: SshServer
let nobody: number
const open: SshRunner[] = []
const signal = new AbortController().signal

beforeAll(async () => {
  ;[one, two, late] = await Promise.all([startSshServer(ID_1), startSshServer(ID_2), startSshServer(null, WAITING)])
  ;[nobody = 0] = await freePorts(1)
}, 600_000)
afterAll(async () => {
  await Promise.all(open.map((runner) => runner.close()))
  await Promise.all([one, two, late].map((server) => server.stop()))
})

/** Both servers have users of their own: a machine is reached with the key of its server. */
const sshOf = (server: SshServer, more: Partial<DeclaredHosts['ssh']> = {}): DeclaredHosts['ssh'] => ({
  user: server.user,
  privateKey: { env: 'KEY' },
  knownHosts: { env: 'KNOWN' },
  ...more,
})
const machine = (port: number, machineId?: string) => ({
  address: '127.0.0.1',
  port,
  ...(machineId === undefined ? {} : { machineId }),
})
const siteWith = (hosts: DeclaredHosts): Site => ({
  name: 'dc-a' as SiteName,
  platforms: { hosts: hosts as unknown as JsonObject },
})

function contextOf(site: Site, credentials: Readonly<Record<string, string>>): DriverContext {
  const ssh = (access: SshAccess): SshRunner => {
    const runner = sshRunner({ connectTimeout: seconds(5), ...access })
    open.push(runner)
    return runner
  }
  const credential = async (reference: object): Promise<string> =>
    credentials[(reference as { readonly env: string }).env] ?? ''
  const client = openHosts(site, { ssh, credential })
  const world = toyWorld({ writer: 'dc-a', effects: [] }, memoryStore())
  return { ...world.context, stack: { ...toyStack, sites: [site] }, platform: () => client } as unknown as DriverContext
}
const see = (hosts: DeclaredHosts, credentials: Readonly<Record<string, string>>): Promise<PlatformView> => {
  const site = siteWith(hosts)
  return hostsPlatform.reach(site, contextOf(site, credentials)).look(signal)
}
const ofOne = () => ({ KEY: one.privateKey, KNOWN: one.knownHosts })
const ofLate = () => ({ KEY: late.privateKey, KNOWN: late.knownHosts })

describe('the hosts of a site, seen by ssh', () => {
  test('answer with their machine-ids', async () => {
    const view = await see({ ssh: sshOf(one), machines: { 'db-1': machine(one.port, ID_1) } }, ofOne())
    expect(view).toMatchObject({ kind: 'answering', identity: ID_1, parts: { ready: 1, total: 1 } })
    expect(hostsPlatform.signal(view)).toMatchObject({
      says: 'up',
      what: expect.stringMatching(/^1 of its 1 hosts answers by ssh \(Linux /),
    })
  })

  test('are a stranger where the machine-id, or the host key, is another one', async () => {
    const machines = { 'db-1': machine(one.port, ID_2) }
    expect(await see({ ssh: sshOf(one), machines }, ofOne())).toEqual({ kind: 'stranger', identity: `db-1 ${ID_1}` })
    const foreign = { KEY: one.privateKey, KNOWN: one.foreignKnownHosts }
    expect(await see({ ssh: sshOf(one), machines: { 'db-1': machine(one.port) } }, foreign)).toEqual({
      kind: 'stranger',
      identity: 'db-1 shows another host key',
    })
  })

  test('answer while one of them is away, and say how many do', async () => {
    const machines = { 'db-1': machine(one.port), 'db-2': machine(nobody) }
    expect(await see({ ssh: sshOf(one), machines }, ofOne())).toMatchObject({
      kind: 'answering',
      parts: { ready: 1, total: 2 },
    })
  })

  test('are silent, and vote for death, where no sshd listens', async () => {
    const view = await see({ ssh: sshOf(one), machines: { 'db-1': machine(nobody) } }, ofOne())
    expect(view).toMatchObject({ kind: 'silent', cause: 'refused', triedFrom: ['this runner'] })
    expect(hostsPlatform.signal(view).says).toBe('down')
  })

  test('vote for life where they refuse the key: the host key has proved who answers', async () => {
    const denied = { KEY: one.strangersKey, KNOWN: one.knownHosts }
    const view = await see({ ssh: sshOf(one), machines: { 'db-1': machine(one.port) } }, denied)
    expect(view).toMatchObject({ kind: 'silent', cause: 'unauthorized' })
    expect(hostsPlatform.signal(view).says).toBe('up')
    expect(hostsPlatform.silence('unauthorized', 'dc-a' as SiteName)).toMatchObject({
      code: 'site-denied',
      next: expect.stringContaining('authorized_keys'),
    })
  })
})

describe('a command on a host', () => {
  const ofSite = (machineId: string, ssh: Partial<DeclaredHosts['ssh']> = {}) =>
    siteWith({ ssh: sshOf(one, ssh), machines: { 'db-1': machine(one.port, machineId) } })
  const hostsOf = (site: Site) => contextOf(site, ofOne()).platform(HOSTS, site.name)

  test('runs on the declared machine, with its stdin and its exit code', async () => {
    const hosts = hostsOf(ofSite(ID_1))
    expect(await hosts.run('db-1', 'cat; exit 86', { stdin: 'in' })).toMatchObject({ code: 86, stdout: 'in' })
  })

  test('does not run on a machine with another machine-id, whichever connection carries it', async () => {
    const right = hostsOf(ofSite(ID_1))
    await right.run('db-1', 'rm -f touched')
    for (const become of [{}, { become: 'sudo' }] as const)
      await expect(hostsOf(ofSite(ID_2, become)).run('db-1', 'touch touched', { asRoot: true })).rejects.toMatchObject({
        code: 'wrong-host',
        where: 'sites.dc-a.hosts.machines.db-1',
        message: `db-1 has the machine-id ${ID_1}, and ${ID_2} is declared: nothing was run there`,
      })
    expect((await right.run('db-1', 'ls')).stdout).not.toContain('touched')
  })

  test('does not run where no machine-id is, and says how to give one', async () => {
    const declared = { ssh: sshOf(late), machines: { 'db-3': machine(late.port, ID_1) } }
    const hosts = contextOf(siteWith(declared), ofLate()).platform(HOSTS, 'dc-a' as SiteName)
    await expect(hosts.run('db-3', 'true')).rejects.toMatchObject({
      code: 'wrong-host',
      message: `db-3 has no /etc/machine-id, and ${ID_1} is declared: nothing was run there`,
      next: expect.stringContaining('systemd-machine-id-setup'),
    })
  })
})

describe('a host that answers late', () => {
  const both = (id?: string): DeclaredHosts => ({
    ssh: { ...sshOf(one), knownHosts: { env: 'BOTH' } },
    machines: { 'db-1': machine(one.port, ID_1), 'db-3': machine(late.port, id) },
  })
  const credentials = () => ({ KEY: one.privateKey, BOTH: `${one.knownHosts}${late.knownHosts}` })
  /** The late host has a key of its own: it lets the key of the first one in as well. */
  beforeAll(async () => {
    const hosts = contextOf(siteWith({ ssh: sshOf(late), machines: { 'db-3': machine(late.port) } }), ofLate())
    const key = join(temporaryFolder(), 'key')
    writeFileSync(key, one.privateKey, { mode: 0o600 })
    const stdin = execFileSync('ssh-keygen', ['-y', '-f', key], { encoding: 'utf8' })
    await hosts.platform(HOSTS, 'dc-a' as SiteName).run('db-3', 'cat >>.ssh/authorized_keys', { stdin })
  })
  const forget = async (): Promise<void> => {
    const hosts = contextOf(siteWith({ ssh: sshOf(late), machines: { 'db-3': machine(late.port) } }), ofLate())
    await hosts.platform(HOSTS, 'dc-a' as SiteName).run('db-3', 'rm -f go')
  }

  /** The component is what lets the late host speak. */
  const observedWith = async (hosts: DeclaredHosts, release: boolean) => {
    await forget()
    const context = contextOf(siteWith(hosts), credentials())
    const toy = toyDriver({ writer: 'dc-a', effects: [] })
    const driver: typeof toy = {
      ...toy,
      standsOn: 'hosts',
      async observe(component, site, from) {
        const undeclared = contextOf(siteWith(both()), credentials()).platform(HOSTS, 'dc-a' as SiteName)
        if (release) await undeclared.run('db-3', 'touch go')
        return toy.observe(component, site, from)
      },
    }
    return observe(context, memoryStore(), { toy: liftedDriver(driver) }, seconds(8))
  }

  test('is heard, and components are asked through the others meanwhile', async () => {
    const seen = await observedWith(both(), true)
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'answering', parts: { ready: 2, total: 2 } })
    expect(seen.components.database?.['dc-a']?.kind).toBe('answering')
  })

  test('is not counted when it has not answered within the bound, and the site answers all the same', async () => {
    const seen = await observedWith(both(), false)
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'answering', identity: ID_1, parts: { ready: 1, total: 2 } })
    expect(seen.components.database?.['dc-a']?.kind).toBe('answering')
  })

  test('and is a stranger takes the components of its site with it', async () => {
    const seen = await observedWith(both(ID_2), true)
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'stranger', identity: 'db-3 has no /etc/machine-id' })
    expect(seen.components.database?.['dc-a']).toEqual({
      kind: 'silent',
      why: 'another host than the declared one answers',
    })
  })

  test('because its way is long is waited for as often as a login goes that way', async () => {
    const hosts: HostsClient = {
      site: 'dc-a' as SiteName,
      machines: { 'db-1': machine(22, ID_1) },
      way: { roundTrip: 350 },
      run: () => Promise.reject(new Error('nothing is run here')),
      async identify(_machine, signal) {
        await pause(1_700, undefined, { signal })
        return { machineId: ID_1, system: 'Linux far' }
      },
    }
    const site = siteWith({ ssh: sshOf(one), machines: hosts.machines })
    const world = toyWorld({ writer: 'dc-a', effects: [] }, memoryStore())
    const context = { ...world.context, stack: { ...toyStack, sites: [site] }, platform: () => hosts }
    const seen = await observe(context as unknown as DriverContext, memoryStore(), {}, 300)
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'answering', version: 'Linux far' })
  })

  test('is known by its host key alone where no machine-id is declared', async () => {
    await observedWith(both(), true)
    const view = await see({ ssh: sshOf(late), machines: { 'db-3': machine(late.port) } }, ofLate())
    expect(view).toMatchObject({ kind: 'answering', identity: 'no machine-id', version: 'Linux late' })
  })
})

describe('a jump host', () => {
  // The machine has the key and the user of the jump host.
  const through = (jumpPort: number, target: number): DeclaredHosts => ({
    ssh: sshOf(one, { jump: { host: '127.0.0.1', port: jumpPort } }),
    machines: { 'db-1': machine(target) },
  })

  test('carries the connection to the machine', async () => {
    const before = one.logins()
    const view = await see(through(one.port, one.port), ofOne())
    expect(view).toMatchObject({ kind: 'answering', identity: ID_1 })
    // Once at the jump host, and once at the machine that it leads to.
    expect(one.logins()).toBe(before + 2)
  })

  test('that is away says nothing of the life of the machine', async () => {
    const view = await see(through(nobody, one.port), ofOne())
    expect(view).toMatchObject({ kind: 'silent', cause: 'proxy-failed' })
    expect(hostsPlatform.signal(view).says).toBe('unknown')
  })

  test('that refuses the key says nothing of the life of the machine', async () => {
    const known = `${one.knownHosts}${two.knownHosts}`
    const view = await see(through(two.port, one.port), { KEY: one.privateKey, KNOWN: known })
    expect(view).toMatchObject({
      kind: 'silent',
      cause: 'proxy-failed',
      why: expect.stringMatching(/permission denied/i),
    })
  })

  test('that finds no sshd on the machine says so of the machine', async () => {
    expect(await see(through(one.port, nobody), ofOne())).toMatchObject({ kind: 'silent', cause: 'refused' })
  })
})

describe('the sandbox on hosts', () => {
  const site = (directory = '/home/tester') =>
    siteWith({
      ssh: sshOf(one),
      machines: { 'db-1': machine(one.port) },
      sandbox: { machine: 'db-1', directory },
    })
  const around = {
    clock: { now: () => new Date(), sleep: async () => undefined },
    log: toyWorldLog(),
    signal,
    deadline: 10_000,
    test: 't1',
  }
  const empty = (of: Site) =>
    hostsPlatform.sandbox.empty(of.name, hostsPlatform.sandbox.nameFor('shop'), contextOf(of, ofOne()), around)
  const shell = async (line: string): Promise<string> => {
    const hosts = contextOf(site(), ofOne()).platform(HOSTS, 'dc-a' as SiteName)
    return (await hosts.run('db-1', line)).stdout
  }

  test('is refused while its directory has no mark, and nothing is removed from it', async () => {
    await shell('mkdir -p standby-restore-shop && echo mine > standby-restore-shop/file')
    await expect(empty(site())).rejects.toMatchObject({
      code: 'sandbox-missing',
      next: expect.stringContaining('touch /home/tester/standby-restore-shop/.standby-sandbox'),
    })
    expect(await shell('cat standby-restore-shop/file')).toBe('mine\n')
  })

  test('is refused where its directory is a link to another one', async () => {
    await shell('mkdir -p elsewhere && touch elsewhere/.standby-sandbox elsewhere/file')
    await shell('rm -rf standby-restore-shop && ln -s elsewhere standby-restore-shop')
    await expect(empty(site())).rejects.toMatchObject({ code: 'sandbox-missing' })
    expect(await shell('ls elsewhere; rm standby-restore-shop')).toBe('file\n')
  })

  test('is emptied down to its mark, and again without harm', async () => {
    await shell(
      'mkdir -p standby-restore-shop/base/1 && cd standby-restore-shop && touch .standby-sandbox base/1/2 .hidden',
    )
    expect(await empty(site())).toBe(4)
    expect(await shell('ls -A standby-restore-shop')).toBe('.standby-sandbox\n')
    expect(await empty(site())).toBe(0)
  })

  test('that is not declared is an error that says where to declare it', async () => {
    const without = siteWith({ ssh: sshOf(one), machines: { 'db-1': machine(one.port) } })
    await expect(empty(without)).rejects.toMatchObject({ code: 'sandbox-missing', where: 'sites.dc-a.hosts.sandbox' })
  })
})

describe('a stack without any cluster', () => {
  const sites = (): Site[] => [
    { ...siteWith({ ssh: sshOf(one), machines: { 'db-1': machine(one.port, ID_1) } }) },
    { ...siteWith({ ssh: sshOf(one), machines: { 'db-2': machine(nobody) } }), name: 'dc-b' as SiteName },
  ]

  test('is observed: its components are asked where its hosts answer, and are silent where they do not', async () => {
    const [a, b] = sites()
    if (a === undefined || b === undefined) throw new Error('two sites')
    const stack: Stack = { ...toyStack, sites: [a, b] }
    const context = {
      ...contextOf(a, ofOne()),
      stack,
      platform: (key: never, site: SiteName) => contextOf(site === 'dc-a' ? a : b, ofOne()).platform(key, site),
    } as DriverContext
    const driver = { ...toyDriver({ writer: 'dc-a', effects: [] }), standsOn: 'hosts' }
    const seen = await observe(context, memoryStore(), { toy: liftedDriver(driver) })
    expect(seen.sites['dc-a']).toMatchObject({ kind: 'answering', identity: ID_1 })
    expect(seen.sites['dc-b']).toMatchObject({ kind: 'silent', cause: 'refused' })
    expect(seen.components.database?.['dc-a']?.kind).toBe('answering')
    expect(seen.components.database?.['dc-b']?.kind).toBe('silent')
    expect(livenessOf(stack, seen, { toy: liftedDriver(driver) }, 'dc-a' as SiteName).is).toBe('up')
  })

  test('a component on a platform that its site lacks is silent, and says which', async () => {
    const [a] = sites()
    if (a === undefined) throw new Error('a site')
    const stack: Stack = { ...toyStack, sites: [a] }
    const seen = await observe({ ...contextOf(a, ofOne()), stack }, memoryStore(), {
      toy: liftedDriver(toyDriver({ writer: 'dc-a', effects: [] })),
    })
    expect(seen.components.database?.['dc-a']).toEqual({ kind: 'silent', why: 'dc-a declares no kubernetes' })
  })
})

function toyWorldLog() {
  return { info: () => undefined, warning: () => undefined, debug: () => undefined }
}
