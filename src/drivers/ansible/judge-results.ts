import type { Change } from '../../driver/deployment.ts'
import type { StandbyError } from '../../errors/standby-error.ts'
import type { Json } from '../../values/json.ts'
import { codes } from './codes.ts'
import type { Difference, Results, TaskResult } from './parse-results.ts'

/** How a run of Ansible ended. */
export interface Ended {
  readonly code: number
  readonly stderr: string
  readonly results: Results
}

/**
 * The error of a run, or null. A host that was not reached is silence: another try may help. A failed task is the
 * playbook's own word, and no try helps. Pure.
 */
export function errorOf({ code, stderr, results }: Ended, where: string): StandbyError | null {
  const silent = lastOfEachHost(results, 'unreachable')
  if (silent.length > 0)
    return codes.error('ansible-host-silent', silent.map(sentence).join('; '), {
      retry: 'transient',
      where,
      next: 'Look at the hosts that are named, at their sshd, and at the network to them.',
      unanswered: true,
    })
  const failed = lastOfEachHost(results, 'failed')
  if (failed.length > 0)
    return codes.error('playbook-failed', failed.map(sentence).join('; '), {
      retry: 'never',
      where,
      next: 'Correct the playbook, its variables or the host. What was done before it stays; the next deploy compares again.',
    })
  if (code === 0 && results.totals !== null) return null
  const said = lastWords(stderr)
  return codes.error('ansible-failed', `ansible-playbook ended with ${code}${said === '' ? '' : `: ${said}`}`, {
    retry: 'never',
    where,
    next: 'Run the playbook by hand, with ansible-playbook --syntax-check first.',
  })
}

/**
 * What a dry run would change, host by host and task by task. A module that has no dry run counts as a difference,
 * because it may be one. A task that fails after such tasks may need what they make: the rest of its host is unknown,
 * and that is a difference too. Any other failure is an error. Pure.
 */
export function changesOf(ended: Ended, where: string): Change[] {
  const { tasks } = ended.results
  const blocked = tasks.filter((one) => isFailure(ended.results, one) && differsBefore(tasks, one))
  const others = { ...ended, results: { ...ended.results, tasks: tasks.filter((one) => !blocked.includes(one)) } }
  // Where all failures are such, the exit code says nothing more.
  const error = errorOf(blocked.length > 0 ? { ...others, code: 0 } : others, where)
  if (error !== null) throw error
  return [...inOrder(tasks.filter(differs)).flatMap(changesOfTask), ...inOrder(blocked).map(restUnknown)]
}

/** What a dry run would do after the active site is deployed: a failure says that it is not done yet. Pure. */
export function changesAfterwards(ended: Ended, where: string): Change[] {
  const failed = lastOfEachHost(ended.results, 'failed')
  const withoutFailures = { ...ended.results, tasks: ended.results.tasks.filter(({ event }) => event !== 'failed') }
  const error = errorOf({ ...ended, code: failed.length > 0 ? 0 : ended.code, results: withoutFailures }, where)
  if (error !== null) throw error
  return [...inOrder(ended.results.tasks.filter(differs)).flatMap(changesOfTask), ...failed.map(restUnknown)]
}

/**
 * The hosts of one task end in any order, and two dry runs of the same hosts must read the same: tasks in the order of
 * the playbook, and the hosts of each by their name.
 */
function inOrder(results: readonly TaskResult[]): TaskResult[] {
  const turns = new Map<string, TaskResult[]>()
  for (const one of results) turns.set(one.task, [...(turns.get(one.task) ?? []), one])
  return [...turns.values()].flatMap((turn) =>
    turn.sort((one, other) => (one.host < other.host ? -1 : Number(one.host > other.host))),
  )
}

const differs = ({ event, changed, unchecked }: TaskResult): boolean =>
  event !== 'failed' && event !== 'unreachable' && (changed || unchecked)

const differsBefore = (tasks: readonly TaskResult[], failed: TaskResult): boolean =>
  tasks.slice(0, tasks.indexOf(failed)).some((one) => one.host === failed.host && differs(one))

/** A failure that was rescued or ignored is none: the totals of its host do not count it. */
function isFailure({ totals }: Results, { event, host, ignored }: TaskResult): boolean {
  if (event !== 'failed' || ignored) return false
  return totals === null || (totals[host]?.failures ?? 0) > 0
}

function lastOfEachHost(results: Results, event: 'failed' | 'unreachable'): TaskResult[] {
  const counts = (one: TaskResult): boolean => {
    if (event === 'failed') return isFailure(results, one)
    return one.event === event && (results.totals === null || (results.totals[one.host]?.unreachable ?? 0) > 0)
  }
  return inOrder([...new Map(results.tasks.filter(counts).map((one) => [one.host, one])).values()])
}

const sentence = ({ host, task, message, hidden }: TaskResult): string =>
  `${host}: task "${task}": ${hidden ? 'its result is hidden (no_log)' : message.replaceAll(/\s+/g, ' ') || 'it says no more'}`

const objectOf = ({ host, task }: TaskResult): string => `${host}/${task}`

const restUnknown = (one: TaskResult): Change => ({
  kind: 'update',
  object: objectOf(one),
  path: 'and the tasks after it',
  why: `the dry run ends here, because earlier tasks were not done: ${sentence(one)}`,
})

function changesOfTask(one: TaskResult): Change[] {
  const object = objectOf(one)
  if (one.unchecked && !one.changed)
    return [{ kind: 'update', object, why: 'its module has no dry run: it may change something' }]
  const parts = one.differences.filter(({ before, after, prepared }) => !same(before, after) || prepared !== null)
  return parts.length === 0 ? [{ kind: 'update', object }] : parts.map((part) => changeOfPart(object, part))
}

function changeOfPart(object: string, { path, before, after, prepared }: Difference): Change {
  const at = { object, ...(path === null ? {} : { path }) }
  if (prepared !== null) return { kind: 'update', ...at, to: prepared }
  return { kind: kindOf(before, after), ...at, from: before, to: after }
}

function kindOf(before: Json, after: Json): Change['kind'] {
  if (stateIn(before) === 'absent') return 'create'
  return stateIn(after) === 'absent' ? 'delete' : 'update'
}

const stateIn = (attributes: Json): Json | undefined =>
  typeof attributes === 'object' && attributes !== null && 'state' in attributes ? attributes.state : undefined

const same = (before: Json, after: Json): boolean => JSON.stringify(before) === JSON.stringify(after)

const lastWords = (said: string): string =>
  said
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-4)
    .join(' ')
    .slice(-1_000)
