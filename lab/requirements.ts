import { existsSync } from 'node:fs'
import { chmod, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { programIsCached } from './binaries/build.ts'
import { execute, succeeds } from './execute.ts'
import { storeIsCached } from './images/store.ts'
import type { LabKind } from './lab-kind.ts'
import { machineTreeIsCached } from './machines/tree.ts'
import { bridge, cacheDirectory, stateDirectory } from './topology.ts'

/** What a machine is, as far as the lab must know before it changes anything. */
export interface MachineFacts {
  readonly platform: string
  readonly userId: number
  readonly memoryBytes: number
  readonly freeBytes: number
  /** What the lab runs. */
  readonly kind: LabKind
  /** True when what the lab starts is in the cache already. */
  readonly warm: boolean
  readonly cgroupsWritable: boolean
  /** Addresses and routes of the machine in CIDR notation, without the lab's own. */
  readonly usedNetworks: readonly string[]
  readonly missingPrograms: readonly string[]
  readonly hasApt: boolean
}

const gibibyte = 1024 ** 3
const needed: Readonly<Record<LabKind, { memory: number; disk: { cold: number; warm: number } }>> = {
  kubernetes: { memory: 8 * gibibyte, disk: { cold: 15 * gibibyte, warm: 4 * gibibyte } },
  machines: { memory: 4 * gibibyte, disk: { cold: 6 * gibibyte, warm: 3 * gibibyte } },
}
export const labNetworks = [bridge.network, '10.78.0.0/16', '10.79.0.0/16'] as const

/** Where a program is looked for, and the Debian package that brings it. */
type Programs = Readonly<Record<string, string>>

const ofEveryLab: Programs = {
  '/usr/sbin/ip': 'iproute2',
  '/usr/sbin/iptables': 'iptables',
  '/usr/bin/mmdebstrap': 'mmdebstrap',
  '/usr/bin/ssh-keygen': 'openssh-client',
  '/etc/ssl/certs/ca-certificates.crt': 'ca-certificates',
}
const programs: Readonly<Record<LabKind, Programs>> = {
  kubernetes: {
    '/usr/bin/containerd': 'containerd',
    '/usr/sbin/runc': 'runc',
    '/usr/lib/cni/bridge': 'containernetworking-plugins',
    ...ofEveryLab,
    '/usr/sbin/conntrack': 'conntrack',
    '/usr/bin/socat': 'socat',
    '/usr/sbin/ethtool': 'ethtool',
    '/usr/sbin/ipset': 'ipset',
    '/usr/bin/openssl': 'openssl',
    '/usr/sbin/sysctl': 'procps',
  },
  machines: { ...ofEveryLab, '/usr/bin/systemd-nspawn': 'systemd-container' },
}
/** The Debian package of a program that one of the labs needs. */
const packageOf = (path: string): string => ({ ...programs.kubernetes, ...programs.machines })[path] ?? ''

/** One sentence for each thing that the machine lacks; empty when the lab can start. */
export function unmetRequirements(facts: MachineFacts): string[] {
  const sentences: string[] = []
  if (facts.platform !== 'linux-x64')
    sentences.push(`The lab runs on Linux on x86-64; this machine is ${facts.platform}.`)
  if (facts.userId !== 0) sentences.push('The lab creates network namespaces and mounts: run it as root.')
  const { memory, disk: room } = needed[facts.kind]
  if (facts.memoryBytes < memory)
    sentences.push(
      `The lab needs ${memory / gibibyte} GiB of memory; this machine has ${inGibibytes(facts.memoryBytes)}.`,
    )
  const disk = facts.warm ? room.warm : room.cold
  if (facts.freeBytes < disk) {
    const place = `${cacheDirectory()} and ${stateDirectory}`
    sentences.push(
      `The lab needs ${inGibibytes(disk)} of free disk for ${place}; there are ${inGibibytes(facts.freeBytes)}. STANDBY_LAB_CACHE moves the cache.`,
    )
  }
  if (!facts.cgroupsWritable)
    sentences.push(
      'The lab needs control groups that root may write (/sys/fs/cgroup); this machine mounts them read-only.',
    )
  for (const used of facts.usedNetworks) {
    const clash = labNetworks.find((network) => overlaps(network, used))
    if (clash !== undefined)
      sentences.push(`The lab uses the addresses ${clash}, and this machine has ${used} already.`)
  }
  if (facts.missingPrograms.length > 0 && !facts.hasApt) {
    sentences.push(
      `The lab needs ${facts.missingPrograms.join(', ')}, and this machine has no apt-get to install them with.`,
    )
  }
  return sentences
}

export async function readMachineFacts(kind: LabKind): Promise<MachineFacts> {
  const memory = /^MemTotal:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'))
  return {
    platform: `${process.platform}-${process.arch}`,
    userId: process.getuid?.() ?? -1,
    memoryBytes: Number(memory?.[1] ?? 0) * 1024,
    freeBytes: Math.min(...(await Promise.all([freeAt(cacheDirectory()), freeAt(stateDirectory)]))),
    kind,
    warm: isWarm(kind),
    cgroupsWritable: await succeeds('test', [
      '-w',
      existsSync('/sys/fs/cgroup/cgroup.procs') ? '/sys/fs/cgroup/cgroup.procs' : '/sys/fs/cgroup/freezer',
    ]),
    usedNetworks: await usedNetworks(),
    missingPrograms: missingPrograms(kind),
    hasApt: existsSync('/usr/bin/apt-get'),
  }
}

export const missingPrograms = (kind: LabKind) => Object.keys(programs[kind]).filter((path) => !existsSync(path))

/** True when a lab starts from the cache; S3 is the only program of a lab of machines that is built. */
export const isWarm = (kind: LabKind): boolean =>
  kind === 'kubernetes' ? storeIsCached() : machineTreeIsCached() && programIsCached('versitygw')

/** Installs the Debian packages of missing programs; no service of theirs is started. */
export async function installMissing(
  missing: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await installPackages(missing.map(packageOf), onLine, signal)
}

/** Installs Debian packages; no service of theirs is started. */
export async function installPackages(
  packages: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const guard = '/usr/sbin/policy-rc.d'
  const guarded = existsSync(guard)
  if (!guarded) {
    await writeFile(guard, '#!/bin/sh\nexit 101\n')
    await chmod(guard, 0o755)
  }
  try {
    const options = { env: { DEBIAN_FRONTEND: 'noninteractive' }, deadline: 600_000, onLine, signal }
    await execute('apt-get', ['update', '-q'], options)
    await execute('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], options)
  } finally {
    if (!guarded) await rm(guard)
  }
}

/** True when two IPv4 networks in CIDR notation share an address. */
export function overlaps(one: string, other: string): boolean {
  const [a, b] = [one, other].map(parseNetwork)
  if (a === undefined || b === undefined) return false
  const bits = Math.min(a.bits, b.bits)
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
  return (a.address & mask) >>> 0 === (b.address & mask) >>> 0
}

function parseNetwork(text: string): { address: number; bits: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(text)
  if (match === null) return undefined
  const [, a, b, c, d, bits] = match.map(Number)
  const address = (((a ?? 0) << 24) | ((b ?? 0) << 16) | ((c ?? 0) << 8) | (d ?? 0)) >>> 0
  return { address, bits: Number.isNaN(bits) || bits === undefined ? 32 : bits }
}

async function usedNetworks(): Promise<string[]> {
  if (!existsSync('/usr/sbin/ip')) return []
  const routes: { dst: string; dev?: string }[] = JSON.parse(
    await execute('ip', ['-4', '-json', 'route', 'show', 'table', 'all']),
  )
  const foreign = routes.filter((route) => route.dev !== bridge.name && route.dst !== 'default')
  return [...new Set(foreign.map((route) => route.dst))].filter((network) => /^\d/.test(network))
}

/** Free bytes of the file system that a directory is, or will be, on. */
async function freeAt(directory: string): Promise<number> {
  if (!existsSync(directory)) return freeAt(dirname(directory))
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

const inGibibytes = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`
