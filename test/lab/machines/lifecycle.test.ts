import { spawn } from 'node:child_process'
import { existsSync, globSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, jest, test } from '@jest/globals'
import { isFrozen, processesIn } from '../../../lab/cgroup.ts'
import { leftovers } from '../../../lab/down.ts'
import { readMachinesEnvironment } from '../../../lab/machines/environment.ts'
import { onMachine } from '../../../lab/machines/machine.ts'
import { accepts } from '../../../lab/network/accepts.ts'
import { runLab } from '../../../lab/run-lab.ts'
import { startTimeOf } from '../../../lab/state.ts'
import { readStatus } from '../../../lab/status.ts'
import { type HostName, type MachineName, machineNames, machinesOf } from '../../../lab/topology.ts'
import { until } from '../../../lab/until.ts'

jest.setTimeout(300_000)

const stateOfHost = async (host: HostName) => (await readStatus()).find((status) => status.host === host)?.state
const machineIdOf = async (machine: MachineName) => (await onMachine(machine, 'cat /etc/machine-id')).trim()

describe('a lab of machines that is up', () => {
  test('nine Debian machines answer by ssh, each with its own identity, and their systemd has nothing to complain of', async () => {
    const { sites } = await readMachinesEnvironment()
    const machines = sites.flatMap((site) => site.machines)
    expect(machines.map(({ name }) => name)).toEqual([...machineNames])
    const said = await Promise.all(
      machines.map(({ name }) => onMachine(name, 'hostname; cat /etc/machine-id; systemctl is-system-running')),
    )
    expect(said).toEqual(machines.map(({ name, machineId }) => `${name}\n${machineId}\nrunning\n`))
    expect(new Set(machines.map(({ machineId }) => machineId)).size).toBe(9)
  })

  test('a machine has root by sudo, transient units, and all programs that the roles need', async () => {
    expect(await onMachine('dc-a-db1', 'sudo -n systemd-run --quiet --wait --pipe id -u')).toBe('0\n')
    const programs = ['/opt/patroni/bin/patroni', '/usr/lib/postgresql/15/bin/postgres', 'etcd', 'redis-sentinel']
    const others = ['redis-server', 'haproxy', 'pgbackrest', 'apt-get', 'python3']
    const asked = [...programs, ...others].map((name) => `command -v ${name}`).join(' && ')
    await onMachine('dc-a-db1', `sudo -n sh -c '${asked}'`)
    expect(await onMachine('dc-a-db1', 'patroni --version')).toBe('patroni 4.1.4\n')
  })

  test('machines reach each other by name, in their own site and in others', async () => {
    const knock = (host: HostName) => `timeout 3 bash -c '</dev/tcp/${host}/22'`
    await onMachine('dc-a-db1', `${knock('dc-a-db2')} && ${knock('dc-c-app')} && ${knock('lb-1')}`)
  })

  test('up again changes nothing; the lab of Kubernetes is refused beside it', async () => {
    const before = await Promise.all(machineNames.map(machineIdOf))
    const boots = await onMachine('dc-b-db1', 'cat /proc/sys/kernel/random/boot_id')
    await runLab('up', '--stack', 'infisical-on-premise')
    expect(await Promise.all(machineNames.map(machineIdOf))).toEqual(before)
    expect(await onMachine('dc-b-db1', 'cat /proc/sys/kernel/random/boot_id')).toBe(boots)
    await expect(runLab('up')).rejects.toThrow()
  })
})

describe('an outage of a site of machines', () => {
  test('cut: no packet reaches a machine of the site, all others answer, and everything inside runs on', async () => {
    const boot = await onMachine('dc-b-db1', 'cat /proc/sys/kernel/random/boot_id')
    await runLab('outage', 'dc-b', '--how', 'cut')
    try {
      expect(await Promise.all(machinesOf('dc-b').map(stateOfHost))).toEqual(['cut', 'cut', 'cut'])
      expect(await accepts('dc-b-app', 22)).toBe(false)
      expect(await accepts('dc-a-app', 22)).toBe(true)
    } finally {
      await runLab('heal', 'dc-b')
    }
    expect(await onMachine('dc-b-db1', 'cat /proc/sys/kernel/random/boot_id')).toBe(boot)
  })

  test('kill: no process is left; healing boots the same machines, with all that was on their disks', async () => {
    const before = await Promise.all(machinesOf('dc-b').map(machineIdOf))
    await onMachine('dc-b-db2', 'echo kept | sudo tee /var/lib/written-before-the-kill')
    const boot = await onMachine('dc-b-db2', 'cat /proc/sys/kernel/random/boot_id')
    await runLab('outage', 'dc-b', '--how', 'kill')
    try {
      for (const machine of machinesOf('dc-b')) expect(await processesIn(machine)).toEqual([])
      expect(await stateOfHost('dc-b-db2')).toBe('killed')
      expect(await accepts('dc-b-db2', 22)).toBe(false)
    } finally {
      await runLab('heal', 'dc-b')
    }
    expect(await Promise.all(machinesOf('dc-b').map(machineIdOf))).toEqual(before)
    expect(await onMachine('dc-b-db2', 'cat /var/lib/written-before-the-kill')).toBe('kept\n')
    expect(await onMachine('dc-b-db2', 'cat /proc/sys/kernel/random/boot_id')).not.toBe(boot)
    expect(await onMachine('dc-b-db2', 'sudo journalctl --list-boots --quiet | wc -l')).toBe('2\n')
  })
})

describe('an outage of a single machine', () => {
  test('freeze: the machine takes a connection and says nothing; the others of its site go on', async () => {
    await runLab('outage', 'dc-a-db2', '--how', 'freeze')
    try {
      expect(await isFrozen('dc-a-db2')).toBe(true)
      expect(await accepts('dc-a-db2', 22)).toBe(true)
      await expect(onMachine('dc-a-db2', 'true', 4_000)).rejects.toThrow(/no end within|timed out/i)
      expect(await onMachine('dc-a-db1', 'echo alive')).toBe('alive\n')
    } finally {
      await runLab('heal', 'dc-a-db2')
    }
    expect(await onMachine('dc-a-db2', 'echo alive')).toBe('alive\n')
  })

  test('a machine that was switched off by itself is shown as ended, and boots when it is healed', async () => {
    await onMachine('dc-c-app', 'sudo systemctl poweroff').catch(() => '')
    const off = async () => (await stateOfHost('dc-c-app')) === 'killed'
    await until('dc-c-app is off', { deadline: 30_000, every: 200 }, off)
    await runLab('heal', 'dc-c-app')
    expect(await onMachine('dc-c-app', 'systemctl is-system-running')).toBe('running\n')
  })

  test('slow: each packet to and from the machine is late, and it still answers', async () => {
    await runLab('outage', 'dc-c-db1', '--how', 'slow', '--delay', '100', '--loss', '0')
    try {
      const began = performance.now()
      expect(await accepts('dc-c-db1', 22)).toBe(true)
      expect(performance.now() - began).toBeGreaterThan(195)
      expect(await onMachine('dc-c-db1', 'echo late')).toBe('late\n')
    } finally {
      await runLab('heal', 'dc-c-db1')
    }
  })
})

describe('down', () => {
  test('leaves nothing: no process, mount, namespace, link, control group or directory', async () => {
    const inside = (await Promise.all(machineNames.map(processesIn))).flat()
    expect(inside.length).toBeGreaterThan(40)
    await runLab('down')
    expect(await leftovers()).toEqual([])
    expect(await tracesOfLab()).toEqual([])
    // One that has ended, and that its parent has not asked for yet, has no start time either.
    expect(inside.filter((pid) => startTimeOf(pid) !== undefined)).toEqual([])
  })

  test('leaves nothing of an up that was killed while machines booted', async () => {
    const cli = resolve(import.meta.dirname, '..', '..', '..', 'lab', 'cli.ts')
    const up = spawn(process.execPath, [cli, 'up', '--stack', 'infisical-on-premise'], { stdio: 'ignore' })
    const someBoot = async () => (await processesIn('dc-b-db1')).length > 2
    await until('dc-b-db1 boots', { deadline: 60_000, every: 20 }, someBoot)
    up.kill('SIGKILL')
    await sleep(200)
    await runLab('down')
    expect(await leftovers()).toEqual([])
    expect(await tracesOfLab()).toEqual([])
  })
})

/**
 * Looked for by other means than those of `down`: in every hierarchy, in every process's mounts, and where nspawn
 * writes.
 */
async function tracesOfLab(): Promise<string[]> {
  const groups = globSync('/sys/fs/cgroup/{*/,}standby-lab')
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const mounts = await Promise.all(
    processes.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/mounts`, 'utf8').catch(() => '')
      return / \/(run|var\/lib)\/standby-lab\/|upperdir=\/var\/lib\/standby-lab/.test(text)
        ? [`mounts of process ${pid}`]
        : []
    }),
  )
  const nspawn = ['locks', 'propagate', 'unix-export']
    .map((name) => join('/run/systemd/nspawn', name))
    .flatMap((path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []))
    .filter((path) => path.includes('dc-'))
  return [...groups, ...mounts.flat(), ...nspawn]
}
