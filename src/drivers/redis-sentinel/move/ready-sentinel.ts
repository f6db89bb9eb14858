import type { Intent } from '../../../domain/plan.ts'
import { type States, stateAt } from '../assess/findings-of-site.ts'
import { codes } from '../codes.ts'
import { sentinelsIn } from '../observe.ts'
import { type AnsweringSentinel, askingOf, type GroupRun, sentinelsOfRun } from '../run.ts'
import { type Group, redisOf } from '../spec.ts'
import { isMoving, type Sentinel } from '../views.ts'
import { tell } from '../wire.ts'

/** It wins over each declared priority, which is 2 or more. */
export const FIRST = 1

/**
 * Whether a Sentinel would promote this Redis and no other one. What it remembers of the priorities may be 10 s old:
 * the lowest that is not 0 wins. A Sentinel reads no priority of a Redis that says that it is a master: then it is the
 * last one that it read, or 100 after its own start (sentinelRefreshInstanceInfo). Pure.
 */
export function wouldChoose(component: Group, site: string, chosen: string, { replicas }: Sentinel): boolean {
  const { address } = redisOf(component, site, chosen)
  const others = replicas.filter((replica) => replica.address !== address && !replica.flags.includes('s_down'))
  const own = replicas.find((replica) => replica.address === address)?.priority ?? 0
  return own !== 0 && others.every(({ priority }) => priority === 0 || priority > own)
}

/** Whether a Sentinel reaches this Redis, as its master or as a replica. Pure. */
export function reaches(component: Group, site: string, name: string, sentinel: Sentinel): boolean {
  const { address } = redisOf(component, site, name)
  if (sentinel.master === address) return true
  const known = sentinel.replicas.find((replica) => replica.address === address)
  return known !== undefined && !known.flags.some((flag) => flag === 's_down' || flag === 'disconnected')
}

/**
 * The sites whose Sentinels are asked to promote this Redis in a failover: its own, where one answers; else the others
 * whose Sentinels reach it, without the lost one. Empty: Standby promotes it without a Sentinel. Pure.
 */
export function askedSites(component: Group, states: States, { from, to }: Intent, chosen: string): string[] {
  const able = (site: string): boolean => {
    const state = stateAt(states, site)
    const answering = state === null ? [] : sentinelsIn(state)
    return site === to
      ? answering.length > 0
      : answering.some(([, sentinel]) => reaches(component, to, chosen, sentinel))
  }
  if (able(to)) return [to]
  return Object.keys(component.spec.sites).filter((site) => site !== from && site !== to && able(site))
}

/**
 * The Sentinel that is asked for the promotion; null: one of them carries out a failover already. Throws
 * `sentinel-silent`, and `sentinel-replica-unknown` (transient) while each that answers would choose another Redis.
 */
export async function sentinelFor(
  run: GroupRun,
  by: readonly string[],
  site: string,
  chosen: string,
): Promise<AnsweringSentinel | null> {
  const sentinels = await sentinelsOfRun(run, by)
  if (sentinels.some(({ sentinel }) => isMoving(sentinel))) return null
  const ready = sentinels.find(({ sentinel }) => wouldChoose(run.component, site, chosen, sentinel))
  if (ready !== undefined) return ready
  throw codes.error(
    'sentinel-replica-unknown',
    `${sentinels.map(({ name }) => name).join(' and ')} could promote another Redis than ${chosen}: the priorities that they know are old`,
    {
      retry: 'transient',
      where: site,
      next: 'Wait 10 s: Sentinels ask anew. One that remembers the priority 0 of a Redis that is a master now forgets it when it is restarted.',
    },
  )
}

/** Has a Sentinel carry out a failover that it is asked for, whatever the others say. */
export async function askForFailover(run: GroupRun, { site, name }: AnsweringSentinel): Promise<void> {
  const failover = ['SENTINEL', 'FAILOVER', run.component.spec.group]
  await tell(run.component, { kind: 'sentinel', site, name }, [failover], askingOf(run), ['INPROG'])
}
