import { openConsulKv } from '../../src/clients/consul/versioned-kv.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import { type ServerTime, serverTime } from '../../src/clients/server-time.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { consulPreconditions } from '../../src/witness/consul/store.ts'
import { documentsIn } from '../../src/witness/documents-in.ts'
import { s3Preconditions } from '../../src/witness/s3/store.ts'
import type { Preconditions, VersionedObjects } from '../../src/witness/versioned-objects.ts'
import { startConsul } from './consul/server.ts'
import { startObjectStore } from './object-store.ts'

/** A real server in which a witness can be kept, asked with all rights. */
export interface WitnessServer {
  readonly endpoint: string
  readonly preconditions: Preconditions
  /** The objects of a place (`place-1/`), through a proxy where its address is given. */
  objects(place: string, through?: Through): VersionedObjects
  /** Writes any text under a key, whatever is there. */
  put(place: string, key: string, text: string): Promise<void>
  /** Whether a request writes a key that ends so. */
  writes(request: { readonly method: string; readonly path: string; readonly body: string }, key: string): boolean
  stop(): Promise<void>
}

export interface Through {
  readonly endpoint?: string
  /** In place of the key or the token that has all rights. */
  readonly secret?: string
  /** Hears what time each answer says. */
  readonly time?: ServerTime
}

export async function s3WitnessServer(): Promise<WitnessServer> {
  const server = await startObjectStore()
  return {
    endpoint: server.endpoint,
    preconditions: s3Preconditions,
    objects: (place, { endpoint = server.endpoint, secret, ...time } = {}) =>
      openObjectStore({
        ...server.access(place),
        ...time,
        endpoint,
        ...(secret === undefined ? {} : { secretAccessKey: secret }),
      }),
    put: async (place, key, text) => {
      await openObjectStore(server.access(place)).put(key, text)
    },
    writes: ({ method, path }, key) => method === 'PUT' && path.endsWith(key),
    stop: server.stop,
  }
}

export async function consulWitnessServer(): Promise<WitnessServer> {
  const world = await startConsul(['dc-c'], { acl: true })
  const { url } = world.datacenter('dc-c')
  return {
    endpoint: url,
    preconditions: consulPreconditions,
    objects: (prefix, { endpoint = url, secret = world.managementToken, ...time } = {}) =>
      openConsulKv({ ...time, endpoint, datacenter: 'dc-c', prefix, token: secret }),
    put: async (place, key, text) => {
      await world.call('dc-c', 'PUT', `kv/${place}${key}`, text)
    },
    writes: ({ method, path, body }, key) =>
      method === 'PUT' && (path.startsWith('/v1/txn') ? body.includes(`${key}"`) : path.includes(`${key}?`)),
    stop: world.stop,
  }
}

const signal = new AbortController().signal

/** A witness in a place of a server. */
export function witnessIn(
  server: WitnessServer,
  place: string,
  { deadline, ...through }: Omit<Through, 'time'> & { readonly deadline?: number } = {},
): ConditionalStore {
  const time = serverTime()
  return documentsIn(server.objects(place, { ...through, time }), signal, {
    preconditions: server.preconditions,
    time,
    ...(deadline === undefined ? {} : { deadline }),
  })
}
