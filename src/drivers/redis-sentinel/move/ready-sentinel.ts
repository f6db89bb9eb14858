import { codes } from '../codes.ts'
import { type GroupRun, sentinelsOfRun } from '../run.ts'
import { type Group, redisOf } from '../spec.ts'
import { isMoving, type Sentinel } from '../views.ts'

/** It wins over each declared priority, which is 2 or more. */
export const FIRST = 1

/**
 * Whether a Sentinel would promote this Redis and no other one. What it remembers of the priorities may be 10 s old:
 * the lowest that is not 0 wins. Pure.
 */
export function wouldChoose(component: Group, site: string, chosen: string, { replicas }: Sentinel): boolean {
  const { address } = redisOf(component, site, chosen)
  const others = replicas.filter((replica) => replica.address !== address && !replica.flags.includes('s_down'))
  return (
    replicas.find((replica) => replica.address === address)?.priority === FIRST &&
    others.every(({ priority }) => priority === 0 || priority > FIRST)
  )
}

/**
 * The Sentinel of a site that is asked for the promotion; null: one of them carries out a failover already. Throws
 * `sentinel-silent`, and `sentinel-replica-unknown` (transient) while each that answers would choose another Redis.
 */
export async function sentinelFor(run: GroupRun, site: string, chosen: string): Promise<string | null> {
  const sentinels = await sentinelsOfRun(run, site)
  if (sentinels.some(([, sentinel]) => isMoving(sentinel))) return null
  const ready = sentinels.find(([, sentinel]) => wouldChoose(run.component, site, chosen, sentinel))
  if (ready !== undefined) return ready[0]
  throw codes.error(
    'sentinel-replica-unknown',
    `${sentinels.map(([name]) => name).join(' and ')} could promote another Redis than ${chosen}: the priorities that they know are old`,
    { retry: 'transient', where: site, next: 'Wait 10 s: Sentinels ask anew.' },
  )
}
