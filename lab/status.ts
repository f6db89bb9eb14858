import { existingGroups, isFrozen, memoryOf } from './cgroup.ts'
import { linkIsUp } from './network/host-namespace.ts'
import { isSlow } from './network/slow-link.ts'
import { presentHosts } from './present.ts'
import { recordedProcesses, runningProcess } from './state.ts'
import { addressOf, type HostName } from './topology.ts'

export interface HostStatus {
  readonly host: HostName
  readonly address: string
  readonly state: 'up' | 'cut' | 'slow' | 'frozen' | 'killed' | 'damaged' | 'down'
  /** Names of processes that were started and do not run any more. */
  readonly missing: readonly string[]
  readonly processes: number
  readonly memoryBytes: number
}

/**
 * What each host is, judged by its link, its control group and its processes; asks nothing over the network, so it
 * cannot hang.
 */
export async function readStatus(): Promise<HostStatus[]> {
  const groups = new Set(await existingGroups())
  return Promise.all(presentHosts().map((host) => statusOf(host, groups.has(host))))
}

async function statusOf(host: HostName, exists: boolean): Promise<HostStatus> {
  const recorded = recordedProcesses(host)
  const missing = recorded.filter((name) => runningProcess(host, name) === undefined)
  const facts = {
    host,
    address: addressOf[host],
    missing,
    processes: recorded.length - missing.length,
    memoryBytes: await memoryOf(host),
  }
  if (!exists || recorded.length === 0) return { ...facts, state: 'down' }
  if (missing.length === recorded.length) return { ...facts, state: 'killed' }
  if (missing.length > 0) return { ...facts, state: 'damaged' }
  if (await isFrozen(host)) return { ...facts, state: 'frozen' }
  if (!(await linkIsUp(host))) return { ...facts, state: 'cut' }
  return { ...facts, state: isSlow(host) ? 'slow' : 'up' }
}

/** The status as a table for people. */
export function statusTable(hosts: readonly HostStatus[]): string {
  const rows = hosts.map(({ host, address, state, missing, processes, memoryBytes }) => {
    const memory = `${Math.round(memoryBytes / 1024 ** 2)} MiB`
    const remark = missing.length === 0 ? '' : `not running: ${missing.join(', ')}`
    return `${host.padEnd(10)}${address.padEnd(13)}${state.padEnd(9)}${String(processes).padStart(3)} daemons ${memory.padStart(9)}  ${remark}`.trimEnd()
  })
  const total = hosts.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
  return [
    ...rows,
    `memory in all (anonymous and shared, without page cache): ${Math.round(total / 1024 ** 2)} MiB`,
  ].join('\n')
}
