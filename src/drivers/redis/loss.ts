import type { ComponentLoss, Intent, KeptData } from '../../domain/plan.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { readableDuration } from '../../values/duration.ts'
import { dumpSeen, type RedisState } from './observe.ts'
import type { Cache } from './spec.ts'

/**
 * What a failover loses of the cache: the writes after the newest dump of the lost site, between none and all of its
 * data. null where the stack declares that a move begins empty: then nothing was promised. Pure.
 */
export function lossOf(
  component: Cache,
  states: StatesPerSite<RedisState>,
  intent: Intent,
  now: string,
): ComponentLoss | null {
  if (component.spec.move === 'fresh') return null
  const dump = dumpSeen(states, intent.from, intent.to)
  if (dump === null || dump === 'unreadable')
    return {
      of: 'cache',
      bytes: [0, null],
      seconds: [0, null],
      why: `cache: no dump of ${component.spec.name} on ${intent.from} ${dump === null ? 'exists' : 'can be read'}; it begins empty, without its queued jobs and sessions`,
    }
  const age = Math.max(0, Date.parse(now) - Date.parse(dump.takenAt))
  return {
    of: 'cache',
    bytes: [0, null],
    seconds: [0, Math.ceil(age / 1_000)],
    why: `cache: the newest dump of ${component.spec.name} on ${intent.from} is ${readableDuration(age)} old (${dump.takenAt}, ${dump.keys} keys); jobs that were queued since are lost, jobs that ended since may run again`,
  }
}

/**
 * A switchover carries a last dump over, or begins empty as the stack declares. A rejoin puts the data of the old site
 * aside. Pure.
 */
export function keptData({ spec: { name, move } }: Cache, { mode, to }: Intent): KeptData {
  if (mode === 'rejoin')
    return { carried: false, what: `what ${name} holds on ${to} stays on its volume, aside, until the next move` }
  return move === 'fresh'
    ? { carried: false, what: `${name} begins empty on ${to}, as declared` }
    : { carried: true, what: `the keys of ${name} are dumped after its last writer stopped, and loaded on ${to}` }
}
