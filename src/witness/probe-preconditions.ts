import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { PutCondition, StoreCallOptions } from '../clients/object-store-client.ts'
import { overWay, type Trips } from '../clients/patience.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { noPreconditions, refused } from './refused.ts'
import type { Preconditions, VersionedObjects } from './versioned-objects.ts'

const KEY = 'probe.json'
const ROUNDS = 5
const RACERS = 4
/** The longest total wait for a store that limits requests. */
const PATIENCE = seconds(30)
/** No further race begins after this time with a store that limits requests or is far away. */
const RACING = seconds(4)
/** Of a racer's write: 45 packets, several of which are lost on a long and bad path (55 s at a round trip of 1.5 s). */
const UPLOAD: Trips = { trips: 40, most: seconds(60) }
/** On a longer path each race takes many seconds, and a run waits for the end of the probe. */
const FAR: Milliseconds = seconds(0.5)
const LEAST_PAUSE = seconds(1)
const DEADLINE = seconds(10)
/** Long enough for another writer to come between the check and the write of a store that separates the two. */
const BODY_BYTES = 65_536

/**
 * Tests whether the store can be a witness: it must refuse a write whose precondition does not hold, and of several
 * writers that replace one version at the same moment it must accept exactly one.
 *
 * Some stores pass the first test and fail the second: they check, then write, and another writer comes in between
 * (versitygw before 1.8.0, https://github.com/versity/versitygw/pull/2288; RustFS with several endpoints,
 * https://github.com/rustfs/rustfs/issues/1659). One probe finds such a store only with some probability, about one in
 * two against versitygw 1.7.0; it never refuses a sound store.
 *
 * A store that limits writes (Cloudflare R2: one a second to a key, else 429) is neither weak nor strong because of
 * that: each write is repeated until it is accepted or refused. Such a store, and one that is far away, gets as many
 * races as fit in {@link RACING}, and at least one: a lock that waits for the end of the probe must not expire
 * meanwhile. Errors: `witness-weak`; the last error of the store, where it limits requests for longer than `patience`.
 */
export async function probePreconditions(
  store: VersionedObjects,
  preconditions: Preconditions,
  { patience = PATIENCE, ...bounds }: StoreCallOptions & { readonly patience?: Milliseconds },
): Promise<void> {
  const nameOf = (condition: PutCondition): string =>
    'ifAbsent' in condition ? preconditions.ifAbsent : preconditions.ifVersion
  const weak = (what: string): Error =>
    siteError('witness-weak', `the witness ${what}: two runs could both take the lock`, {
      where: 'witness',
      next: preconditions.next,
    })
  const began = performance.now()
  let isLimited = false
  const isFar = (): boolean => (store.way?.roundTrip ?? 0) > FAR
  const options = {
    ...bounds,
    limited: (): void => {
      isLimited = true
    },
  }
  const settled = <T>(ask: () => Promise<T>): Promise<T> =>
    waitedOut(ask, { ends: began + patience, signal: bounds.signal })
  const write = (body: string, condition: PutCondition): Promise<string> =>
    settled(() =>
      store.put(KEY, body, {
        ...options,
        deadline: overWay(store.way, bounds.deadline ?? DEADLINE, UPLOAD),
        condition,
      }),
    )
  const plain = (): Promise<string> => settled(() => store.put(KEY, '{}', options))
  const conditionally = async <T>(writes: () => Promise<T>): Promise<T> => {
    try {
      return await writes()
    } catch (error) {
      const why = await noPreconditions(error, plain)
      throw why === null ? error : weak(`takes no write with a precondition (${why})`)
    }
  }

  if ((await settled(() => store.head(KEY, options))) === null)
    await conditionally(() => successesOf([write('{}', { ifAbsent: true })]))

  for (const condition of [{ ifAbsent: true }, { ifVersion: preconditions.noVersion }] as const)
    if (!(await conditionally(() => refused(() => write('{}', condition))))) throw weak(`ignores ${nameOf(condition)}`)

  const racing = performance.now()
  for (let round = 1; round <= ROUNDS; round++) {
    const found = await settled(() => store.head(KEY, options))
    if (found === null) throw weak(`lost ${KEY}, which was just written`)
    const racers = Array.from({ length: RACERS }, () =>
      write(JSON.stringify({ racer: randomUUID() }).padEnd(BODY_BYTES), { ifVersion: found.version }),
    )
    const winners = await successesOf(racers)
    if (winners > 1) throw weak(`let ${winners} of ${RACERS} writers replace one and the same version`)
    if ((isLimited || isFar()) && performance.now() - racing > RACING) return
  }
}

/**
 * The answer to a call, repeated until `ends` while the store limits requests; then throws the last error.
 */
async function waitedOut<T>(
  ask: () => Promise<T>,
  { ends, signal }: { readonly ends: number; readonly signal: AbortSignal | undefined },
): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const { code, retryAfter } = asStandbyError(error)
      const wait = Math.max(retryAfter ?? 0, LEAST_PAUSE * (1 + Math.random() / 5))
      const isPutOff = code === 'object-store-throttled' || code === 'object-store-busy'
      if (!isPutOff || performance.now() + wait > ends) throw error
      await pause(wait, undefined, { signal })
    }
  }
}

/**
 * How many of the writes succeeded. Zero is allowed, because another process may have won; any other failure is thrown.
 */
async function successesOf(writes: readonly Promise<string>[]): Promise<number> {
  const ended = await Promise.allSettled(writes)
  const failed = ended.find(
    (end) => end.status === 'rejected' && asStandbyError(end.reason).code !== 'object-store-precondition',
  )
  if (failed?.status === 'rejected') throw failed.reason
  return ended.filter(({ status }) => status === 'fulfilled').length
}
