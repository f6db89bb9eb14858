import { randomUUID } from 'node:crypto'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { type Milliseconds, minutes, readableDuration } from '../values/duration.ts'
import { isObject, type JsonObject } from '../values/json.ts'
import { patienceOf } from '../waiting/deadline.ts'
import { tryUntil } from '../waiting/try-until.ts'
import type { ConditionalStore } from './conditional-store.ts'

/**
 * How long a run that has begun waits for a witness that does not answer. The run stands still meanwhile: without the
 * witness nothing irreversible happens, and taking the run back needs the witness too.
 */
export const WITNESS_PATIENCE: Milliseconds = minutes(5)

export interface Patience {
  readonly clock: Clock
  readonly log: Log
  /** Ends the wait: a cancelled run leaves at once. */
  readonly signal: AbortSignal
  readonly patience?: Milliseconds
}

/**
 * A witness that waits until an outage is over. Every write carries an id, so that a write whose answer was lost is
 * recognised at the next attempt.
 */
export function patientStore(
  store: ConditionalStore,
  { clock, log, signal, patience = WITNESS_PATIENCE }: Patience,
): ConditionalStore {
  /** `inDoubt`: an earlier attempt may have arrived. */
  async function waitOut<T>(call: (inDoubt: boolean) => Promise<T>): Promise<T> {
    let last: unknown
    const attempt = (tries: number): Promise<T> =>
      call(tries > 1).catch((error: unknown) => {
        last = error
        throw error
      })
    let warned = false
    const waiting = (): void => {
      if (!warned) log.warning(`the witness does not answer: waiting for it for up to ${readableDuration(patience)}`)
      warned = true
    }
    try {
      return await tryUntil(attempt, { what: 'witness', clock, signal, deadline: patienceOf(patience, clock), waiting })
    } catch {
      // Cancelled or timed out: the last error of the witness is the reason.
      throw last
    }
  }
  function write(key: string, body: JsonObject, put: (identified: JsonObject) => Promise<string>): Promise<string> {
    const identified = { ...body, writeId: randomUUID() }
    return waitOut(async (inDoubt) => {
      try {
        return await put(identified)
      } catch (error) {
        const found = inDoubt && asStandbyError(error).code === 'witness-conflict' ? await store.get(key) : null
        if (found !== null && isObject(found.body) && found.body.writeId === identified.writeId) return found.version
        throw error
      }
    })
  }
  return {
    stack: store.stack,
    way: store.way,
    get: (key) => waitOut(() => store.get(key)),
    create: (key, body) => write(key, body, (identified) => store.create(key, identified)),
    replace: (key, body, version) => write(key, body, (identified) => store.replace(key, identified, version)),
    getText: (key) => waitOut(() => store.getText(key)),
    // Its content shows whether it arrived.
    createText: (key, text) => waitOut(() => store.createText(key, text)),
    list: (prefix) => waitOut(() => store.list(prefix)),
    time: () => store.time(),
  }
}
