import { type ConsulFailure, consulClient } from '../../../clients/consul/client.ts'
import { type KvOperation, readKey, readKeysBelow, transact, writeKey } from '../../../clients/consul/kv.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { tlsOfRequest } from '../../../driver/declared-tls.ts'
import type { StandbyError } from '../../../errors/standby-error.ts'
import { codes } from '../codes.ts'
import { type Database, keysBelow } from '../spec.ts'
import type { PatroniStore, StoreCall } from './store.ts'
import { viewOf } from './view.ts'

/** No key is ever at this index: a write that rests on it does nothing, and its rights are judged all the same. */
const NO_INDEX = Number.MAX_SAFE_INTEGER

/**
 * Consul by its HTTP API: the keys that Patroni keeps in the datacenter of a site. Servers are asked in turn: a write
 * that was made, and whose answer was lost, is refused at the next one by its own precondition.
 */
export function consulStore(
  component: Database,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  { reach, deadline, signal }: StoreCall,
): PatroniStore {
  const { store } = component.spec
  const below = keysBelow(component)
  const client = consulClient({
    way: {
      http: async (request) => context.http({ ...request, ...(await tlsOfRequest(store, context)) }, reach),
      credential: (reference) => context.credential(reference),
    },
    access: { addresses: store.endpoints[site] ?? [], token: store.token },
    deadline,
    signal,
    where: `${site} Consul ${below}`,
    error: (failure, what, details) => errorOf(failure, what, { ...details, next: adviceOn(failure, site, below) }),
  })
  const config = `${below}config`

  const isUnchanged = (revision: string): KvOperation => ({
    verb: 'check-index',
    key: config,
    index: Number(revision),
  })

  async function transaction(operations: readonly KvOperation[]): Promise<boolean> {
    if (await transact(client, operations)) return true
    // A transaction without the right to write, and one whose check fails, get one status. A single write does not.
    await writeKey(client, config, '', { cas: NO_INDEX })
    return false
  }

  return {
    async read() {
      const entries = await readKeysBelow(client, below)
      return viewOf(
        new Map(
          entries.map(({ key, value, modifyIndex }) => [
            key.slice(below.length),
            { value, revision: String(modifyIndex) },
          ]),
        ),
      )
    },
    async replaceConfig(value, revision, leader) {
      // The value that a key has already leaves its index as it is. With other flags it is another write, on which
      // nothing can rest that was seen before: no earlier write had these, and Patroni writes 0.
      const flags = Number(revision)
      const write: KvOperation = { verb: 'set', key: config, value: JSON.stringify(value), flags }
      if (leader === undefined) return transaction([isUnchanged(revision), write])
      // A transaction compares no values. A session is of one member, and Patroni takes the lock with its own: while
      // this one holds the key, the key names this member.
      const lock = await readKey(client, `${below}leader`)
      if (lock?.session === null || lock?.value !== leader) return false
      const isLed: KvOperation = { verb: 'check-session', key: lock.key, session: lock.session }
      return transaction([isUnchanged(revision), isLed, write])
    },
    forgetDatabase: (revision) =>
      transaction([
        isUnchanged(revision),
        ...['initialize', 'history'].map((name): KvOperation => ({ verb: 'delete', key: `${below}${name}` })),
      ]),
  }
}

const isRefusal = (failure: ConsulFailure): boolean => failure === 'refused' || failure === 'rejected'

const errorOf = (failure: ConsulFailure, what: string, details: Parameters<typeof codes.error>[2]): StandbyError =>
  codes.error(isRefusal(failure) ? 'patroni-store-refused' : 'patroni-store-silent', what, details)

function adviceOn(failure: ConsulFailure, site: string, below: string): string {
  if (isRefusal(failure))
    return `Compare the token in the stack file with the policies of Consul: a move writes, and all others read, key_prefix "${below}".`
  return failure === 'leaderless'
    ? `Look at the servers of Consul on ${site}: a majority of them is missing. Patroni itself needs it.`
    : `Look at Consul on ${site}: Patroni itself needs it.`
}
