import { openObjectStore } from '../../src/clients/object-store.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { documentsIn } from '../../src/witness/documents-in.ts'
import { s3Preconditions } from '../../src/witness/s3/store.ts'
import type { Preconditions, VersionedObjects } from '../../src/witness/versioned-objects.ts'
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
}

export async function s3WitnessServer(): Promise<WitnessServer> {
  const server = await startObjectStore()
  return {
    endpoint: server.endpoint,
    preconditions: s3Preconditions,
    objects: (place, { endpoint = server.endpoint, secret } = {}) =>
      openObjectStore({
        ...server.access(place),
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

const signal = new AbortController().signal

/** A witness in a place of a server. */
export const witnessIn = (
  server: WitnessServer,
  place: string,
  { deadline, ...through }: Through & { readonly deadline?: number } = {},
): ConditionalStore =>
  documentsIn(server.objects(place, through), signal, {
    preconditions: server.preconditions,
    ...(deadline === undefined ? {} : { deadline }),
  })
