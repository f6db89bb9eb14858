import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { sshRunner } from '../../../src/clients/ssh.ts'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { Site, SiteName, Stack } from '../../../src/domain/stack.ts'
import { type HostsClient, openHosts } from '../../../src/platform/hosts/client.ts'
import { emptyHostSandbox } from '../../../src/platform/hosts/empty-sandbox.ts'
import { type HostSandbox, openHostSandbox } from '../../../src/platform/hosts/sandbox.ts'
import { keeping, sandboxName } from '../../../src/platform/hosts/sandbox-units.ts'
import { minutes, seconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { eventually } from '../../support/eventually.ts'
import { type SystemdMachine, startSystemdMachine } from '../../support/systemd-machine.ts'
import { toyStack } from '../../support/toy-stack.ts'

jest.setTimeout(120_000)

const SITE = 'dc-a' as SiteName
const DIRECTORY = '/var/lib/standby'
let machine: SystemdMachine
const open: { close(): Promise<void> }[] = []
const signal = new AbortController().signal
const clock = { now: () => new Date(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) }
const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }

beforeAll(async () => {
  machine = await startSystemdMachine()
  machine.root('useradd --system --no-create-home --user-group standby-sandbox')
}, 900_000)
afterAll(async () => {
  await Promise.all(open.map((runner) => runner.close()))
  await machine.stop()
})

const markedFor = (stack: string): string =>
  `mkdir -p ${DIRECTORY}/${sandboxName(stack)} && touch ${DIRECTORY}/${sandboxName(stack)}/.standby-sandbox`
beforeEach(() => {
  machine.root(markedFor('shop'))
})

function contextOf(more: JsonObject = {}, stackName = 'shop') {
  const site: Site = {
    name: SITE,
    platforms: {
      hosts: {
        ssh: { user: machine.user, privateKey: { env: 'KEY' }, knownHosts: { env: 'KNOWN' }, become: 'sudo' },
        machines: { 'db-2': { address: machine.address, machineId: machine.machineId } },
        sandbox: { machine: 'db-2', directory: DIRECTORY, ...more },
      },
    },
  }
  const stack: Stack = { ...toyStack, name: stackName, sites: [site] }
  const runner = (access: Parameters<typeof sshRunner>[0]) => {
    const made = sshRunner(access)
    open.push(made)
    return made
  }
  let shared: ReturnType<typeof runner> | undefined
  const client = openHosts(site, {
    ssh: (access) => (shared ??= runner(access)),
    credential: async (reference) =>
      (reference as { readonly env: string }).env === 'KEY' ? machine.privateKey : machine.knownHosts,
  })
  return { stack, clock, log, signal, platform: <Client>() => client as Client }
}
type Context = ReturnType<typeof contextOf>

const sandboxOf = (id: string, stack = 'shop', deadline = minutes(10)): Sandbox => ({
  id,
  site: SITE,
  namespace: sandboxName(stack),
  labels: {},
  deadline,
  endpointOf: () => null,
})
const empty = (test: string, context: Context = contextOf()): Promise<number> =>
  emptyHostSandbox(SITE, sandboxName(context.stack.name), context, {
    clock,
    log,
    signal,
    deadline: seconds(30),
    test,
  })
const unitsLeft = (): string => machine.root("systemctl list-units --all --plain --no-legend 'standby_restore_*'")

describe('a program in the sandbox of a host', () => {
  let context: Context
  let box: HostSandbox
  beforeEach(async () => {
    context = contextOf()
    await empty('t1', context)
    box = await openHostSandbox(sandboxOf('t1'), context)
  })
  afterEach(async () => {
    await empty('t1', context)
  })

  test('gets its words, stdin and environment as they are, and its code and output come back', async () => {
    const words = ["it's", '$HOME', '${PATH}', '$$', 'a b', '%n', '"', '\\', 'two\nlines', '']
    const script = 'printf "<%s>" "$@"; cat; printf "%s" "$SECRET"; echo problem >&2; exit 7'
    const secret = 'p$w`"\\ \'x'
    const result = await box.run(['/bin/sh', '-c', script, 'sh', ...words], { stdin: 'in\n', env: { SECRET: secret } })
    expect(result).toEqual({
      code: 7,
      stdout: `${words.map((word) => `<${word}>`).join('')}in\n${secret}`,
      stderr: 'problem\n',
    })
    // It is in no argument, and in no file that the program may list.
    expect(
      machine.root(`systemctl show 'standby_restore_shop.*'; grep -rl 'p.w' ${box.directory} || true`),
    ).not.toContain('p$w')
  })

  test('that a signal ends says so as a shell does, and one that is late is gone', async () => {
    expect(await box.run(['/bin/sh', '-c', 'kill -KILL $$'])).toMatchObject({ code: 137 })
    await expect(
      box.run(['/bin/sh', '-c', 'echo working >&2; sleep 4321'], { within: seconds(2) }),
    ).rejects.toMatchObject({ code: 'process-timeout', message: expect.stringContaining('working') })
    expect(machine.root('pgrep -fc "sleep 4321" || true').trim()).toBe('1')
  })

  test('that does not exist is named', async () => {
    await expect(box.run(['/usr/bin/no-such-program'])).rejects.toMatchObject({
      code: 'sandbox-stuck',
      message: expect.stringContaining('no-such-program'),
    })
  })

  test('has no rights, cannot get any, and writes nowhere but in its directory', async () => {
    const attempt = async (script: string) => (await box.run(['/bin/sh', '-c', script])).code
    expect((await box.run(['/usr/bin/id', '-un'])).stdout).toBe('standby-sandbox\n')
    expect((await box.run(['/bin/sh', '-c', 'grep -E "Cap(Prm|Eff|Bnd)|NoNewPrivs" /proc/self/status'])).stdout).toBe(
      'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n',
    )
    machine.root('mkdir -p -m 777 /srv/open')
    for (const place of ['/srv/open/x', '/etc/x', '/var/tmp/../lib/x', '/run/x', '/home/x', `${DIRECTORY}/x`])
      expect([place, await attempt(`touch ${place}`)]).not.toEqual([place, 0])
    expect(await attempt(`rm ${DIRECTORY}/standby-restore-shop/.standby-sandbox`)).not.toBe(0)
    expect(await attempt('sudo -n true')).not.toBe(0)
    expect(await attempt('touch here /tmp/there')).toBe(0)
    // Sockets of other services are not seen.
    expect((await box.run(['/bin/ls', '/run'])).stdout).toBe('systemd\n')
  })

  test('has no network, unless it fetches a backup', async () => {
    const reach = ['/bin/bash', '-c', `exec 3<>/dev/tcp/${machine.address}/22 && head -c 7 <&3`]
    expect((await box.run(reach)).code).not.toBe(0)
    expect(await box.run(reach, { network: 'host' })).toMatchObject({ code: 0, stdout: 'SSH-2.0' })
    expect((await box.run(['/usr/bin/ip', '-o', 'route', 'show', 'table', 'all'])).stdout).not.toContain('default')
  })

  test('writes files for others, and they are read back as they are', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
    await box.put('a/b/bytes', bytes)
    await box.put('a/run.sh', '#!/bin/sh\necho ran\n', '0700')
    expect((await box.run(['/usr/bin/sha256sum', 'a/b/bytes'])).stdout).toMatch(
      /^40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880 /,
    )
    expect((await box.run([`${box.directory}/a/run.sh`])).stdout).toBe('ran\n')
    expect(await box.read('a/run.sh')).toBe('#!/bin/sh\necho ran\n')
    expect(await box.read('a/none')).toBeNull()
    for (const path of ['/etc/passwd', '../x', 'a/../../x', ''])
      await expect(box.put(path, 'x')).rejects.toMatchObject({ code: 'sandbox-stuck' })
  })

  test('never reads an input that a broken connection has cut short', async () => {
    const place = { directory: `${DIRECTORY}/standby-restore-shop`, units: 'standby_restore_shop', test: 't1' }
    const keep = (content: string) =>
      context
        .platform<HostsClient>()
        .run('db-2', keeping({ ...place, user: 'standby-sandbox' }, 'run-1', 'in', 5), { asRoot: true, stdin: content })
    await expect(keep('whole')).resolves.toMatchObject({ code: 0 })
    await expect(keep('who')).resolves.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('3 of 5 bytes arrived'),
    })
    expect(machine.root(`cd ${place.directory}/units && cat run-1.in && ls run-1*`)).toBe('wholerun-1.in\n')
  })

  test('is bounded together with all others of its sandbox', async () => {
    const limits = machine.root('systemctl show -p MemoryMax,TasksMax,CPUWeight,IOWeight standby_restore_shop.slice')
    const total = Number(machine.root("awk '/MemTotal/ {print $2 * 1024}' /proc/meminfo"))
    const memory = Number(/MemoryMax=(\d+)/.exec(limits)?.[1])
    expect(memory / total).toBeCloseTo(0.5, 1)
    expect(limits).toMatch(/TasksMax=1024/)
    expect(limits).toMatch(/CPUWeight=20/)
    await box.start('one', ['/bin/sleep', '600'])
    expect(machine.root('systemctl show -p Slice --value standby_restore_shop.server-one.service')).toBe(
      'standby_restore_shop.slice\n',
    )
  })
})

describe('a server in the sandbox of a host', () => {
  test('is a real PostgreSQL that serves the programs of its sandbox alone, and is gone afterwards', async () => {
    const context = contextOf()
    await empty('t2', context)
    const box = await openHostSandbox(sandboxOf('t2'), context)
    const bin = '/usr/lib/postgresql/15/bin'
    expect(await box.run([`${bin}/initdb`, '--pgdata=data', '--auth=trust', '--username=postgres'])).toMatchObject({
      code: 0,
    })
    await box.start('pg', [`${bin}/postgres`, '-D', 'data', '-k', box.directory, '-c', 'listen_addresses='])
    const sql = (query: string) => box.run([`${bin}/psql`, '-h', box.directory, '-U', 'postgres', '-Atqc', query])
    await eventually('PostgreSQL serves', async () => (await sql('select 6 * 7')).stdout === '42\n')
    expect(await box.look('pg')).toMatchObject({ is: 'running', said: expect.stringContaining('ready to accept') })
    await box.stop('pg')
    await expect(box.look('pg')).rejects.toMatchObject({ code: 'sandbox-stuck' })
    await box.start('pg', [`${bin}/postgres`, '-D', 'no-such-data'])
    await eventually('PostgreSQL has ended', async () => (await box.look('pg')).is === 'ended')
    expect(await box.look('pg')).toMatchObject({
      is: 'ended',
      code: 2,
      said: expect.stringContaining('no-such-data'),
    })
    await box.stop('pg')
    await box.start('pg', [`${bin}/postgres`, '-D', 'data', '-k', box.directory])
    expect(await empty('t2', context)).toBeGreaterThan(900)
    expect(unitsLeft()).toBe('')
    expect(machine.root(`ls -A ${DIRECTORY}/standby-restore-shop; pgrep -c postgres || true`)).toBe(
      '.standby-sandbox\n0\n',
    )
    expect(machine.root('ls /run/systemd/system.control /dev/shm 2>/dev/null || true')).not.toMatch(/standby|Postgres/)
  })
})

describe('the sandbox of a host', () => {
  test('belongs to one restore test at a time', async () => {
    const context = contextOf()
    await empty('t3', context)
    const box = await openHostSandbox(sandboxOf('t3'), context)
    await box.start('one', ['/bin/sleep', '600'])
    const inUse = { code: 'sandbox-in-use', message: 'the restore test t3 has the sandbox' }
    await expect(empty('t4', context)).rejects.toMatchObject(inUse)
    await expect(openHostSandbox(sandboxOf('t4'), context)).rejects.toMatchObject(inUse)
    expect(await box.look('one')).toMatchObject({ is: 'running' })
    // Of the same test there may be several components.
    expect(await (await openHostSandbox(sandboxOf('t3'), context)).look('one')).toMatchObject({ is: 'running' })
    await empty('t3', context)
    await openHostSandbox(sandboxOf('t4'), context)
    await expect(box.run(['/bin/true'])).rejects.toMatchObject({
      code: 'sandbox-in-use',
      message: 'the restore test t4 has taken the sandbox over',
    })
    await empty('t4', context)
  })

  test('is emptied by the machine itself when its test is not heard any more', async () => {
    const context = contextOf()
    await empty('t5', context)
    const box = await openHostSandbox(sandboxOf('t5'), context)
    await box.start('one', ['/bin/sh', '-c', 'exec \\\n  sleep 600'])
    await box.put('left', 'x')
    // As every installation of a package does it.
    machine.root('systemctl daemon-reload')
    expect(await box.look('one')).toMatchObject({ is: 'running' })
    const watch = 'systemctl start standby_restore_shop.watchdog.service; ls /var/lib/standby/standby-restore-shop/work'
    expect(machine.root(watch)).toBe('left\n')
    const ofTimer = machine.root('systemctl show -p TimersMonotonic standby_restore_shop.watchdog.timer')
    expect(ofTimer).toMatch(/OnUnitActiveUSec=1min/)
    // Six minutes later.
    machine.root(`touch -d '6 minutes ago' ${DIRECTORY}/standby-restore-shop/.standby-owner`)
    machine.root('systemctl start standby_restore_shop.watchdog.service')
    await eventually('all units are gone', async () => unitsLeft() === '')
    expect(machine.root(`ls -A ${DIRECTORY}/standby-restore-shop`)).toBe('.standby-sandbox\n')
  })

  test('of a test that died is taken over by the next one', async () => {
    const context = contextOf()
    await empty('t6', context)
    await (await openHostSandbox(sandboxOf('t6'), context)).start('one', ['/bin/sleep', '600'])
    machine.root(`touch -d '6 minutes ago' ${DIRECTORY}/standby-restore-shop/.standby-owner`)
    expect(await empty('t7', context)).toBeGreaterThan(0)
    expect(unitsLeft()).toBe('')
  })

  test('ends with the deadline of its restore test, whatever its programs allow themselves', async () => {
    const context = contextOf()
    await empty('t8', context)
    const box = await openHostSandbox(sandboxOf('t8', 'shop', 0), context)
    await box.start('one', ['/bin/sleep', '6000'], { within: minutes(100) })
    const until = machine.root('systemctl show -p RuntimeMaxUSec --value standby_restore_shop.anchor.service')
    expect(until).toBe('5min\n')
    machine.root('systemctl stop standby_restore_shop.anchor.service')
    await eventually(
      'the server has ended',
      async () => machine.root('systemctl is-active standby_restore_shop.server-one.service || true') === 'inactive\n',
    )
    await expect(box.run(['/bin/true'])).rejects.toMatchObject({ code: 'sandbox-in-use' })
    await empty('t8', context)
  })

  test('leaves that of a stack alone whose name begins with its own', async () => {
    machine.root(markedFor('shop-eu'))
    const [context, other] = [contextOf(), contextOf({}, 'shop-eu')]
    await empty('t9', context)
    await empty('t10', other)
    const box = await openHostSandbox(sandboxOf('t10', 'shop-eu'), other)
    await box.start('one', ['/bin/sleep', '600'])
    await openHostSandbox(sandboxOf('t9'), context)
    await empty('t9', context)
    expect(await box.look('one')).toMatchObject({ is: 'running' })
    await empty('t10', other)
    expect(unitsLeft()).toBe('')
  })

  test('stops all when its file system runs full', async () => {
    const place = `${DIRECTORY}/${sandboxName('shop')}`
    machine.root(
      `rm -rf ${place} && mkdir ${place} && mount -t tmpfs -o size=20m,mode=755 none ${place} && touch ${place}/.standby-sandbox`,
    )
    const context = contextOf()
    await empty('t11', context)
    const box = await openHostSandbox(sandboxOf('t11'), context)
    await box.start('one', ['/bin/sleep', '600'])
    const fill = box.run(['/bin/sh', '-c', 'head -c 20300000 /dev/zero >full; sleep 600'])
    await expect(fill).rejects.toMatchObject({ code: 'sandbox-full' })
    expect(machine.root('systemctl is-active standby_restore_shop.server-one.service || true')).toBe('inactive\n')
    await empty('t11', context)
    machine.root(`umount ${place}`)
  })

  test('says what an administrator has to make', async () => {
    const context = contextOf({ user: 'missing-user' })
    await expect(openHostSandbox(sandboxOf('t12'), context)).rejects.toMatchObject({
      code: 'sandbox-missing',
      next: expect.stringContaining('adduser --system --group --no-create-home missing-user'),
    })
    machine.root(`rm ${DIRECTORY}/standby-restore-shop/.standby-sandbox`)
    await expect(openHostSandbox(sandboxOf('t12'), contextOf())).rejects.toMatchObject({ code: 'sandbox-missing' })
  })
})
