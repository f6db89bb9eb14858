import { isObject, type Json, type JsonObject } from '../../values/json.ts'

/** What a playbook did, as the callback plugin wrote it (`results-plugin.ts`). */
export interface Results {
  /** Whether the playbook began: Ansible had read inventory, variables and playbook. */
  readonly begun: boolean
  readonly tasks: readonly TaskResult[]
  /** By host; null: Ansible did not come to its end. */
  readonly totals: Readonly<Record<string, HostTotals>> | null
}
export interface HostTotals {
  readonly changed: number
  readonly failures: number
  readonly unreachable: number
}
/** One task on one host; a loop is one. */
export interface TaskResult {
  readonly event: 'ok' | 'failed' | 'unreachable' | 'skipped'
  readonly host: string
  readonly task: string
  readonly changed: boolean
  /** `no_log`: nothing else is known. */
  readonly hidden: boolean
  /** A failure that the playbook ignores. */
  readonly ignored: boolean
  /** The dry run cannot know whether it would change something. */
  readonly unchecked: boolean
  readonly message: string
  readonly differences: readonly Difference[]
}
export interface Difference {
  readonly path: string | null
  /** Text, or the attributes of a file; null: not said. */
  readonly before: Json
  readonly after: Json
  /** A difference as one text, as package managers give it. */
  readonly prepared: Json
}

const EVENTS = ['ok', 'failed', 'unreachable', 'skipped'] as const

/** The results in the lines of the plugin. A line that was cut off when Ansible was ended is left out. Pure. */
export function parseResults(lines: string): Results {
  const read = lines.split('\n').flatMap((line) => parsed(line))
  const totals = read.find(({ event }) => event === 'stats')?.hosts
  return {
    begun: read.length > 0,
    tasks: read.flatMap(taskIn),
    totals: isObject(totals)
      ? Object.fromEntries(Object.entries(totals).map(([host, one]) => [host, totalsIn(one)]))
      : null,
  }
}

function parsed(line: string): JsonObject[] {
  if (line.trim() === '') return []
  try {
    const value = JSON.parse(line) as Json
    return isObject(value) ? [value] : []
  } catch {
    return []
  }
}

function taskIn(line: JsonObject): TaskResult[] {
  const event = EVENTS.find((one) => one === line.event)
  if (event === undefined) return []
  const differences = Array.isArray(line.diff) ? line.diff : []
  return [
    {
      event,
      host: String(line.host),
      task: String(line.task),
      changed: line.changed === true,
      hidden: line.hidden === true,
      ignored: line.ignored === true,
      unchecked: line.unchecked === true,
      message: typeof line.msg === 'string' ? line.msg : '',
      differences: differences.filter(isObject).map(differenceIn),
    },
  ]
}

const differenceIn = ({ path = null, before = null, after = null, prepared = null }: JsonObject): Difference => ({
  path: typeof path === 'string' ? path : null,
  before,
  after,
  prepared,
})

function totalsIn(of: Json | undefined): HostTotals {
  const count = (name: string): number => (isObject(of) && typeof of[name] === 'number' ? of[name] : 0)
  return { changed: count('changed'), failures: count('failures'), unreachable: count('unreachable') }
}
