import { randomUUID } from 'node:crypto'
import type { PutCondition, StoredObject } from '../clients/object-store-client.ts'
import { type ServerTime, serverTime } from '../clients/server-time.ts'
import type { ReasonCode } from '../errors/reason-codes.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { isObject, type JsonObject } from '../values/json.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { damagedError, Unreadable } from './damage.ts'
import { documentIn } from './decode.ts'
import { probePreconditions } from './probe-preconditions.ts'
import type { Preconditions, VersionedObjects } from './versioned-objects.ts'

const CALL_DEADLINE = seconds(5)
const ASKED_FOR_TIME = 'active.json'
/** Bytes. Many times the largest record that this tool writes; small enough for a guard to judge within its round. */
const LARGEST_OBJECT = 8 * 1024 * 1024

interface StoreParts {
  readonly preconditions: Preconditions
  readonly deadline?: Milliseconds
  readonly stack?: string | null
  readonly time?: Pick<ServerTime, 'now'>
}

/** A witness in any storage of versioned objects: what a lost answer and a refused write mean is the same in all. */
export function documentsIn(
  store: VersionedObjects,
  signal: AbortSignal,
  { preconditions, deadline = CALL_DEADLINE, stack = null, time = serverTime() }: StoreParts,
): ConditionalStore {
  const options = { deadline, signal }
  let honest: Promise<void> | null = null
  /** Once per process, before the first write: a store that ignores preconditions would give the lock to two runs. */
  const assertHonest = (): Promise<void> => {
    honest ??= readable(probePreconditions(store, preconditions, options)).catch((error: unknown) => {
      honest = null
      throw error
    })
    return honest
  }
  const read = async (key: string): Promise<StoredObject | Unreadable | null> => {
    try {
      return await store.get(key, { ...options, largest: LARGEST_OBJECT })
    } catch (error) {
      const reason = asStandbyError(error)
      if (reason.code !== 'object-store-unreadable') throw witnessError(reason)
      return new Unreadable(reason.cause instanceof Error ? reason.cause.message : reason.message)
    }
  }
  const writeText = async (
    key: string,
    text: string,
    condition: PutCondition,
    isOurs: (found: string) => boolean,
  ): Promise<string> => {
    await assertHonest()
    const contentType = key.endsWith('.json') ? 'application/json' : 'text/plain'
    for (let tries = 1; ; tries++) {
      try {
        return await store.put(key, text, { ...options, condition, contentType })
      } catch (error) {
        const reason = asStandbyError(error)
        if (reason.code !== 'object-store-precondition' && reason.retry !== 'transient') throw witnessError(reason)
        const found = await read(key)
        if (found !== null && !(found instanceof Unreadable) && isOurs(found.body)) return found.version
        if (reason.code === 'object-store-precondition')
          throw new StandbyError({
            code: 'witness-conflict',
            mustAct: 'approval',
            what: `another writer has written ${key} in the meantime`,
            where: `witness ${key}`,
            next: 'Look at what the other one does: standby status. Then try again.',
            cause: reason,
          })
        if (tries === 3) throw witnessError(reason)
      }
    }
  }
  const write = (key: string, body: JsonObject, condition: PutCondition): Promise<string> => {
    // Every document carries the id of its write: after a lost answer the content shows whether our write arrived.
    const writeId = typeof body.writeId === 'string' ? body.writeId : randomUUID()
    return writeText(key, JSON.stringify({ ...body, writeId }), condition, (found) => writeIdIn(found) === writeId)
  }
  return {
    stack,
    way: store.way,
    async get(key) {
      const found = await read(key)
      if (found instanceof Unreadable) return { body: found, version: '' }
      // Some editors begin a file with a byte order mark.
      return found === null ? null : { body: documentIn(found.body.replace(/^\uFEFF/, '')), version: found.version }
    },
    create: (key, body) => write(key, body, { ifAbsent: true }),
    replace: (key, body, expectedVersion) => write(key, body, { ifVersion: expectedVersion }),
    async getText(key) {
      const found = await read(key)
      if (found instanceof Unreadable)
        throw damagedError({ code: 'witness-damaged', key, path: '$', what: found.why, next: RESTORE })
      return found?.body ?? null
    },
    async createText(key, text) {
      await writeText(key, text, { ifAbsent: true }, (found) => found === text)
    },
    // Consoles and file managers leave an empty object for a folder that a person has opened: it is not an entry.
    list: async (prefix) =>
      (await readable(store.list(prefix, options))).map(({ key }) => key).filter((key) => !key.endsWith('/')),
    async time() {
      // Any answer has the time, even a refusal; silence has none.
      if (time.now() === null) await store.get(ASKED_FOR_TIME, options).catch(() => null)
      return time.now()
    },
  }
}

const RESTORE = 'Restore an earlier version of the object (the bucket keeps them): docs/witness.md, "Damage".'

/** The id of the write; undefined where this tool did not write the object. */
function writeIdIn(text: string): unknown {
  const document = documentIn(text)
  return isObject(document) ? document.writeId : undefined
}

/** The answer of the store, or its failure as an error of the witness. */
async function readable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw witnessError(asStandbyError(error))
  }
}

const OF_THE_WITNESS: Readonly<Record<string, ReasonCode>> = {
  'object-store-unreachable': 'witness-unreachable',
  'object-store-denied': 'witness-denied',
  'object-store-throttled': 'witness-throttled',
  'object-store-busy': 'witness-busy',
  'object-store-no-preconditions': 'witness-weak',
}

function witnessError(reason: StandbyError): StandbyError {
  if (reason.where === 'witness') return reason
  return new StandbyError({
    code: OF_THE_WITNESS[reason.code] ?? reason.code,
    mustAct: reason.mustAct,
    what: `witness: ${reason.message}`,
    where: 'witness',
    next: reason.next ?? 'Restore access to the witness; nothing is changed without it.',
    cause: reason,
    retry: reason.retry,
    retryAfter: reason.retryAfter,
  })
}
