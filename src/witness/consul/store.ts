import { openConsulKv } from '../../clients/consul/versioned-kv.ts'
import { serverTime } from '../../clients/server-time.ts'
import type { ConditionalStore, ConditionalStoreContext } from '../conditional-store.ts'
import { documentsIn } from '../documents-in.ts'
import type { Preconditions } from '../versioned-objects.ts'
import type { ConsulWitnessSpec } from './spec.ts'

/**
 * The witness's storage in Consul. Nothing is contacted before the first call.
 *
 * The lock is an object as in any other storage, and not a session: a session must name a node of the datacenter, is
 * reaped up to twice its TTL late, and keeps its lock only while that node is healthy. The holder of a lock is a
 * process on any machine, which compares the index of the object before each effect.
 */
export async function openConsulStore(
  spec: ConsulWitnessSpec,
  context: ConditionalStoreContext,
): Promise<ConditionalStore> {
  const time = serverTime()
  const kv = openConsulKv({
    endpoint: spec.endpoint,
    datacenter: spec.datacenter,
    prefix: spec.prefix ?? '',
    token: await context.credential(spec.token),
    time,
    ...(spec.endpointCA === undefined ? {} : { authorities: await context.file(spec.endpointCA) }),
  })
  const parts = { preconditions: consulPreconditions, stack: context.stack, time }
  return { ...documentsIn(kv, context.signal, parts), address: spec.endpoint }
}

export const consulPreconditions: Preconditions = {
  ifAbsent: 'cas=0',
  ifVersion: 'cas',
  // Of the first entry in the log of Raft, which is never that of a key.
  noVersion: '1',
  next: 'Let nothing stand between that removes parameters of requests, and use Consul itself, not a copy of its API.',
}
