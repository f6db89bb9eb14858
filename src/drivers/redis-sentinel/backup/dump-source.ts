import { answeringIn, bestReplicaIn, type GroupState, masterIn } from '../observe.ts'
import { type Group, redisOf } from '../spec.ts'
import type { RedisServer } from '../views.ts'

/** A master sends a sign of life every 10 s (repl-ping-replica-period): a replica that heard none is behind. */
const HEARD_WITHIN = 12
/** Bytes that a replica may be behind its master. */
const FARTHEST = 16 * 1024 * 1024

/**
 * The Redis of a site that is dumped: a replica that keeps up, because a dump makes its server fork; the master where
 * no replica does. Null where there is neither. Pure.
 */
export function dumpSourceIn(
  component: Group,
  site: string,
  state: Pick<GroupState, 'redis'>,
): readonly [name: string, server: RedisServer] | null {
  const master = masterIn(state)
  const replicas = answeringIn(state).filter(
    ([name, { role, linked, filling, heardAgo }]) =>
      role === 'replica' &&
      linked &&
      !filling &&
      heardAgo !== null &&
      heardAgo <= HEARD_WITHIN &&
      (master === null || keepsUp(redisOf(component, site, name).address, master[1])),
  )
  return bestReplicaIn({ redis: Object.fromEntries(replicas) }) ?? master
}

/**
 * As the master reports it: after a full copy a replica is connected for up to a second before the master sends it
 * what was written meanwhile (measured: a dump taken then was empty).
 */
const keepsUp = (replica: string, { replicas, offset }: RedisServer): boolean =>
  replicas.some((one) => one.address === replica && one.online && offset - one.offset <= FARTHEST)
