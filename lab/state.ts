import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runDirectory } from './topology.ts'

/** A process that the lab started: the start time tells it from a later process with the same id. */
export interface StartedProcess {
  readonly name: string
  readonly pid: number
  readonly startTime: string
}

const fileOf = (group: string, name: string) => join(runDirectory, group, 'processes', `${name}.json`)

/** Remembers a process under its name; a later process of that name replaces it. */
export async function recordProcess(group: string, name: string, pid: number): Promise<void> {
  const startTime = startTimeOf(pid)
  if (startTime === undefined) return
  await mkdir(join(runDirectory, group, 'processes'), { recursive: true })
  await writeFile(fileOf(group, name), JSON.stringify({ name, pid, startTime } satisfies StartedProcess))
}

/** The process of that name if it still runs; a recycled process id is not mistaken for it. */
export function runningProcess(group: string, name: string): StartedProcess | undefined {
  try {
    const recorded: StartedProcess = JSON.parse(readFileSync(fileOf(group, name), 'utf8'))
    return startTimeOf(recorded.pid) === recorded.startTime ? recorded : undefined
  } catch {
    return undefined
  }
}

/** Names of all processes that were ever started for the group. */
export function recordedProcesses(group: string): string[] {
  try {
    return readdirSync(join(runDirectory, group, 'processes')).map((file) => file.replace(/\.json$/, ''))
  } catch {
    return []
  }
}

export function forgetProcess(group: string, name: string): void {
  rmSync(fileOf(group, name), { force: true })
}

/**
 * Clock ticks after boot at which a process began (field 22 of /proc/PID/stat), undefined for none and for a zombie.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in parentheses and may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
