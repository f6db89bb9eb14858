import { type ServerTime, serverTime } from '../../src/clients/server-time.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { documentsIn } from '../../src/witness/documents-in.ts'
import type { Preconditions, VersionedObjects } from '../../src/witness/versioned-objects.ts'

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
