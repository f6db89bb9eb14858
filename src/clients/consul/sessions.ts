import type { ConsulCall, ConsulClient } from './client.ts'
import { objectIn, objectsIn, textIn } from './fields.ts'

export interface NewSession {
  readonly name: string
  /** `10s` to `86400s`. Consul may take twice as long to end a session that is not renewed. */
  readonly ttl: string
  /** How long a lock that was lost with its session stays free: `15s` by default. */
  readonly lockDelay?: string
  /** What becomes of the keys that it holds. */
  readonly behavior: 'release' | 'delete'
}

/** Begins a session that no health check ends, and returns its id. */
export async function createSession(client: ConsulClient, session: NewSession, datacenter?: string): Promise<string> {
  const call: ConsulCall = {
    method: 'PUT',
    path: 'session/create',
    datacenter,
    body: JSON.stringify({
      Name: session.name,
      TTL: session.ttl,
      ...(session.lockDelay === undefined ? {} : { LockDelay: session.lockDelay }),
      Behavior: session.behavior,
      NodeChecks: [],
    }),
  }
  const { value } = await client.askJson(call)
  const id = textIn(objectIn(value).ID)
  if (id === '') throw client.unreadable(call, 'it has no id')
  return id
}

/** False: there is no such session any more. */
export async function renewSession(client: ConsulClient, id: string, datacenter?: string): Promise<boolean> {
  const path = `session/renew/${encodeURIComponent(id)}`
  const { status } = await client.ask({ method: 'PUT', path, datacenter, accepts: [404] })
  return status === 200
}

/** Ends a session; one that is gone counts as ended. */
export async function destroySession(client: ConsulClient, id: string, datacenter?: string): Promise<void> {
  await client.ask({ method: 'PUT', path: `session/destroy/${encodeURIComponent(id)}`, datacenter })
}

/** The name and the node of a session; null: there is none. */
export async function readSession(
  client: ConsulClient,
  id: string,
  datacenter?: string,
): Promise<{ readonly name: string; readonly node: string } | null> {
  const path = `session/info/${encodeURIComponent(id)}`
  const { value } = await client.askJson({ method: 'GET', path, query: { consistent: true }, datacenter })
  const [session] = objectsIn(value)
  return session === undefined ? null : { name: textIn(session.Name), node: textIn(session.Node) }
}
