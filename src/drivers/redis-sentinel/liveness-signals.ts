import type { LivenessSignal } from '../../domain/liveness.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { answeringIn, type GroupState, sentinelsIn } from './observe.ts'
import { type Group, redisAt } from './spec.ts'

/** A master sends a PING to its replicas every 10 s (repl-ping-replica-period): one that was heard since then lives. */
const HEARD_WITHIN = 12

/**
 * Replicas and Sentinels as vantage points: a replica that heard of its master a moment ago says that the site of the
 * master lives. A Sentinel that takes a master for down says so only when it cannot reach it: from where it stands,
 * the site may be cut off. Pure.
 */
export function livenessSignalsOf(
  component: Group,
  states: StatesPerSite<GroupState>,
  site: SiteName,
): LivenessSignal[] {
  return Object.entries(states).flatMap(([other, seen]): LivenessSignal[] => {
    if (seen.kind !== 'answering') return []
    if (other === site) {
      const names = [...answeringIn(seen.state), ...sentinelsIn(seen.state)].map(([name]) => name)
      if (names.length === 0) return []
      const what = `${names.join(', ')} ${names.length === 1 ? 'answers' : 'answer'}`
      return [{ from: `Redis of ${site}`, says: 'up', what }]
    }
    return answeringIn(seen.state).flatMap(([name, { follows, linked, heardAgo }]): LivenessSignal[] => {
      const followed = follows === null ? null : redisAt(component, follows)
      return followed?.site === site && linked && heardAgo !== null && heardAgo <= HEARD_WITHIN
        ? [{ from: `${name} of ${other}`, says: 'up', what: `it heard of ${followed.name} ${heardAgo} s ago` }]
        : []
    })
  })
}
