import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { isFrozen, processesIn } from '../../lab/cgroup.ts'
import { type LabSite, readLabEnvironment } from '../../lab/environment.ts'
import { execute } from '../../lab/execute.ts'
import { readStatus } from '../../lab/status.ts'
import { type HostName, stateOf } from '../../lab/topology.ts'

/** Runs on a lab that is up and leaves it up. */
const minutes = 60_000
const checkout = resolve(import.meta.dirname, '..', '..')
const lab = (...args: string[]) =>
  execute(process.execPath, [join(checkout, 'lab/cli.ts'), ...args], { deadline: 5 * minutes })

const stateOfHost = async (host: HostName) => (await readStatus()).find((status) => status.host === host)?.state

async function site(name: string): Promise<LabSite> {
  const found = (await readLabEnvironment()).sites.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`no site ${name}`)
  return found
}

const kubectl = async (name: string, ...args: string[]) => {
  const { programs } = await readLabEnvironment()
  return execute(programs.kubectl, [`--kubeconfig=${(await site(name)).kubeconfig}`, '--request-timeout=3s', ...args], {
    deadline: 20_000,
  })
}

/** What a client at the other end of the wide area network sees of a TCP port. */
function knock(host: string, port: number): Promise<'accepted' | 'refused' | 'silent'> {
  return new Promise((answer) => {
    const socket = connect({ host, port, timeout: 1_500 })
    const end = (result: 'accepted' | 'refused' | 'silent') => {
      socket.destroy()
      answer(result)
    }
    socket.once('connect', () => end('accepted'))
    socket.once('timeout', () => end('silent'))
    socket.once('error', () => end('refused'))
  })
}

describe('a lab that is up', () => {
  test(
    'up again changes nothing: every process is the one that was there, and no cluster is a new one',
    async () => {
      const before = await Promise.all(['dc-a', 'dc-b', 'lb-1', 's3'].map((host) => recordedPids(host)))
      const clusterId = (await site('dc-a')).clusterId
      await lab('up')
      expect(await Promise.all(['dc-a', 'dc-b', 'lb-1', 's3'].map((host) => recordedPids(host)))).toEqual(before)
      expect((await site('dc-a')).clusterId).toBe(clusterId)
      expect(await stateOfHost('dc-b')).toBe('up')
    },
    5 * minutes,
  )

  test(
    'two commands at once do not mix: the second is refused and says who is at work',
    async () => {
      const results = await Promise.allSettled([lab('heal', 'lb-1'), lab('heal', 'lb-1')])
      const refused = results.filter((result) => result.status === 'rejected')
      expect(refused).toHaveLength(1)
      expect(String(refused[0]?.reason)).toContain('lab-busy')
    },
    minutes,
  )
})

describe('an outage of a site', () => {
  test(
    'cut: packets vanish, everything inside runs on, healing brings it back unchanged',
    async () => {
      const running = await processesIn('dc-b')
      await lab('outage', 'dc-b', '--how', 'cut')
      try {
        expect(await stateOfHost('dc-b')).toBe('cut')
        expect(await knock('10.77.0.12', 6443)).not.toBe('accepted')
        expect((await processesIn('dc-b')).length).toBeGreaterThanOrEqual(Math.min(20, running.length))
      } finally {
        await lab('heal', 'dc-b')
      }
      expect(await knock('10.77.0.12', 6443)).toBe('accepted')
    },
    3 * minutes,
  )

  test(
    'freeze: sockets stay open and nothing answers',
    async () => {
      await lab('outage', 'dc-b', '--how', 'freeze')
      try {
        expect(await stateOfHost('dc-b')).toBe('frozen')
        expect(await isFrozen('dc-b')).toBe(true)
        expect(await knock('10.77.0.12', 6443)).toBe('accepted')
        await expect(kubectl('dc-b', 'get', 'nodes')).rejects.toThrow(/deadline|timeout|handshake/i)
      } finally {
        await lab('heal', 'dc-b')
      }
      expect(await kubectl('dc-b', 'get', 'nodes')).toContain('dc-b')
    },
    3 * minutes,
  )

  test(
    'kill: no process is left, ports refuse; healing restarts it with all that was on its disk',
    async () => {
      const clusterId = (await site('dc-b')).clusterId
      await kubectl('dc-b', 'create', 'configmap', 'written-before-the-kill', '--from-literal=kept=yes')
      await lab('outage', 'dc-b', '--how', 'kill')
      try {
        expect(await processesIn('dc-b')).toEqual([])
        expect(await stateOfHost('dc-b')).toBe('killed')
        expect(await knock('10.77.0.12', 6443)).toBe('refused')
        expect(await knock('10.77.0.11', 6443)).toBe('accepted')
      } finally {
        await lab('heal', 'dc-b')
      }
      expect(await kubectl('dc-b', 'get', 'configmap', 'written-before-the-kill', '-o', 'jsonpath={.data.kept}')).toBe(
        'yes',
      )
      await kubectl('dc-b', 'delete', 'configmap', 'written-before-the-kill')
      expect(await kubectl('dc-b', 'get', 'namespace', 'kube-system', '-o', 'jsonpath={.metadata.uid}')).toBe(clusterId)
      expect(await kubectl('dc-b', '-n', 'cnpg-system', 'get', 'deployments')).not.toContain('0/1')
    },
    5 * minutes,
  )
})

describe('a load balancer', () => {
  test(
    'keeps what was written to its map file across kill and heal, as a host keeps its disk',
    async () => {
      const before = await readFile(stateOf('lb-2', 'disk/etc/haproxy/maps/standby.map'), 'utf8')
      await lab('outage', 'lb-2', '--how', 'kill')
      try {
        expect(await knock('10.77.0.22', 80)).toBe('refused')
        expect(await knock('10.77.0.21', 80)).toBe('accepted')
      } finally {
        await lab('heal', 'lb-2')
      }
      expect(await knock('10.77.0.22', 80)).toBe('accepted')
      expect(await readFile(stateOf('lb-2', 'disk/etc/haproxy/maps/standby.map'), 'utf8')).toBe(before)
    },
    minutes,
  )
})

async function recordedPids(host: string): Promise<string> {
  return execute('sh', ['-c', `cat /run/standby-lab/${host}/processes/*.json`])
}
