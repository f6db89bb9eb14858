import type { ComponentLoss, Finding, Intent, KeptData } from '../../domain/plan.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { stateAt } from './assess/findings-of-site.ts'
import { codes } from './codes.ts'
import { bestReplicaIn, type GroupState, masterIn } from './observe.ts'
import { type Group, groupNamed } from './spec.ts'

type States = StatesPerSite<GroupState>

/** A replica notices a silent master after this (repl-timeout, 60 s by default): seconds. */
const NOTICED_WITHIN = 60

/**
 * What a failover loses: what the lost master acknowledged and the new one never received. Redis acknowledges a write
 * before a replica has it, so that the lower end is 0 and the upper one counts from the last word of the master. Null
 * where the stack declares that the content may be lost. Pure.
 */
export function lossOf(component: Group, states: States, intent: Intent): ComponentLoss | null {
  if (intent.mode !== 'failover' || component.spec.move === 'disposable') return null
  const [from, to] = [stateAt(states, intent.from), stateAt(states, intent.to)]
  const [lost, successor] = [groupNamed(component, intent.from), groupNamed(component, intent.to)]
  const [, replica] = (to === null ? null : bestReplicaIn(to)) ?? []
  const [, master] = (from === null ? null : masterIn(from)) ?? []
  if (replica === undefined)
    return { of: 'cache', bytes: [0, null], seconds: [0, null], why: `it is not known what ${successor} has received` }
  const seconds = replica.lostAgo === null ? replica.heardAgo : replica.lostAgo + NOTICED_WITHIN
  const heard =
    replica.lostAgo === null
      ? `${successor} heard of its master ${replica.heardAgo ?? 'never'} s ago`
      : `${successor} lost its master ${replica.lostAgo} s ago, and may have noticed it ${NOTICED_WITHIN} s late`
  if (master === undefined || master.history !== replica.history)
    return {
      of: 'cache',
      bytes: [0, null],
      seconds: [0, seconds],
      why: `Redis acknowledges a write before a replica has it; ${heard}`,
    }
  const bytes = Math.max(0, master.offset - replica.offset)
  return {
    of: 'cache',
    bytes: [0, bytes],
    seconds: [0, bytes === 0 ? 0 : seconds],
    why: `${lost} still answers and has written ${bytes} bytes that are not on ${successor}; what it writes until it is fenced comes on top; ${heard}`,
  }
}

/** The other passive sites whose replica holds more of the same history. Pure. */
export function anotherAhead(component: Group, states: States, intent: Intent): Finding[] {
  const own = stateAt(states, intent.to)
  const [, here] = (own === null ? null : bestReplicaIn(own)) ?? []
  if (here === undefined) return []
  return Object.keys(states).flatMap((site) => {
    if (site === intent.from || site === intent.to) return []
    const state = stateAt(states, site)
    const [name, there] = (state === null ? null : bestReplicaIn(state)) ?? []
    return there === undefined || there.history !== here.history || there.offset <= here.offset
      ? []
      : [
          codes.finding('sentinel-another-ahead', component, {
            severity: 'warning',
            site,
            what: `${name} of ${site} holds ${there.offset - here.offset} bytes that ${intent.to} does not have: with a failover to ${intent.to} they are lost`,
            next: `Plan the failover to the site that holds the most: --to ${site}`,
          }),
        ]
  })
}

/** A switchover carries everything; a rejoin drops what the former active site alone has. Pure. */
export function keptData(component: Group, { mode, from, to }: Intent): KeptData | null {
  if (mode === 'switchover')
    return {
      carried: true,
      what: `the last write that ${groupNamed(component, from)} acknowledged is on ${groupNamed(component, to)} before that is promoted`,
    }
  return mode === 'rejoin'
    ? {
        carried: false,
        what: `what ${groupNamed(component, to)} alone holds is dropped when it follows ${groupNamed(component, from)}: Redis keeps no history that could name it`,
      }
    : null
}
