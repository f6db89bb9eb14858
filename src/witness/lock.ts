import { overWay, type Trips } from '../clients/patience.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { readActive } from './active.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { type LockRecord, lockDocument } from './documents.ts'
import { LOCK } from './keys.ts'
import { isHeld } from './lock-holder.ts'
import { readDocument, type Versioned } from './read-document.ts'

/**
 * How long a lock lives without being renewed. A process that resumes a run whose runner died waits for this time while
 * users are shut out, so it is short: with the start of the process and its checks, the wait for a dead holder stays
 * within 15 s. It decides only who may begin: each effect checks the lock itself. When a lock expired although its
 * holder lives, because the witness was slow, the holder renews it unless another process has taken it.
 */
export const LOCK_LIFETIME: Milliseconds = seconds(10)
/** So that three renewals may fail, or be late, before it expires. */
export const LOCK_RENEWAL: Milliseconds = seconds(2.5)
/**
 * For a holder that is far from its witness. One renewal needs three requests in sequence (4.5 s at a round trip of 1.5
 * s); a lost packet costs three more round trips, two lost in a row nine. The lock lives 30 s there, so the wait for a
 * dead holder is as long.
 */
const FAR_HOLDER: Trips = { trips: 16, most: seconds(45) }
/** The life of a lock that is written now. */
const lifetimeOver = ({ way }: ConditionalStore): Milliseconds => overWay(way, LOCK_LIFETIME, FAR_HOLDER)

/** Throws `witness-damaged`: whether a run is at work is unknown. */
export const readLock = (store: ConditionalStore): Promise<Versioned<LockRecord> | null> =>
  readDocument(store, lockDocument, LOCK)

export interface LockRequest {
  readonly stack: string
  readonly holder: string
  readonly purpose: string
  readonly epoch: number
  readonly now: Date
}

/**
 * Takes the lock, if it is free: at most one of any number of runs gets it. Throws `lock-held` with holder, purpose and
 * expiry when another run holds it.
 */
export async function takeLock(store: ConditionalStore, request: LockRequest): Promise<void> {
  const current = await readLock(store)
  if (current !== null && isHeld(current.record, request.now) && current.record.holder !== request.holder)
    throw lockHeld(current.record)
  const record: LockRecord = {
    schemaVersion: 1,
    stack: request.stack,
    epoch: request.epoch,
    holder: request.holder,
    purpose: request.purpose,
    takenAt: request.now.toISOString(),
    expiresAt: new Date(request.now.getTime() + lifetimeOver(store)).toISOString(),
    released: false,
  }
  try {
    if (current === null) await store.create(LOCK, asDocument(record))
    else await store.replace(LOCK, asDocument(record), current.version)
  } catch (error) {
    const winner = asStandbyError(error).code === 'witness-conflict' ? await readLock(store) : null
    // A renewal by this same process, between two attempts.
    if (winner !== null && winner.record.holder === request.holder && !winner.record.released) return
    throw winner === null ? error : lockHeld(winner.record)
  }
}

/** The result of an attempt to keep the lock. */
export type Renewal =
  | { readonly is: 'renewed' }
  | { readonly is: 'released' }
  | { readonly is: 'taken'; readonly by: string }

/**
 * Extends our lock, if we still hold it. Throws the error of a request that failed. Writes nothing after `wanted` says
 * no. `wanted` is asked after each read, so that {@link endLock}, which follows that no, writes last. A renewal that
 * was sent earlier is overwritten, or finds another version.
 */
export async function renewLock(
  store: ConditionalStore,
  holder: string,
  now: Date,
  wanted = (): boolean => true,
): Promise<Renewal> {
  const expiresAt = new Date(now.getTime() + lifetimeOver(store)).toISOString()
  let found: Holding = { is: 'released' }
  const ours = async (): Promise<Versioned<LockRecord> | null> => {
    found = await holdingOf(store, holder)
    return found.is === 'ours' && wanted() ? found.lock : null
  }
  await inTurn(store, () =>
    changeLock(store, ours, (record) => ({
      ...record,
      expiresAt: isHeld(record, now) ? latest(record.expiresAt, expiresAt) : expiresAt,
    })),
  )
  return renewalOf(found)
}
const renewalOf = (found: Holding): Renewal => (found.is === 'ours' ? { is: 'renewed' } : found)

/**
 * Lets our lock expire now without releasing it: the run remains visible as unfinished, and a process that continues it
 * does not wait. For a process that stops by itself, when none of its effects is under way.
 */
export function endLock(store: ConditionalStore, holder: string, now: Date): Promise<void> {
  const ours = async (): Promise<Versioned<LockRecord> | null> => {
    const found = await holdingOf(store, holder)
    return found.is === 'ours' ? found.lock : null
  }
  return inTurn(store, () => changeLock(store, ours, (record) => ({ ...record, expiresAt: now.toISOString() })))
}

/** Releases our lock; does nothing when we no longer hold it. */
export function releaseLock(store: ConditionalStore, holder: string): Promise<void> {
  const ours = async (): Promise<Versioned<LockRecord> | null> => {
    const current = await readLock(store)
    return current === null || current.record.holder !== holder || current.record.released ? null : current
  }
  return inTurn(store, () => changeLock(store, ours, (record) => ({ ...record, released: true })))
}

/**
 * A holder is one process: if the record changed while we hold the lock, the change was our own write, and this change
 * is applied on top of it.
 */
async function changeLock(
  store: ConditionalStore,
  read: () => Promise<Versioned<LockRecord> | null>,
  change: (record: LockRecord) => LockRecord,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const current = await read()
    if (current === null) return
    try {
      await store.replace(LOCK, asDocument(change(current.record)), current.version)
      return
    } catch (error) {
      if (asStandbyError(error).code !== 'witness-conflict' || tries === TRIES) throw error
    }
  }
}
const TRIES = 5
/** The later of two instants in ISO 8601, UTC. */
const latest = (one: string, other: string): string => (one > other ? one : other)

/** Parallel steps, the timer and the end of a run change the lock one after another. */
function inTurn(store: ConditionalStore, work: () => Promise<void>): Promise<void> {
  const turn = (turns.get(store) ?? Promise.resolve()).then(work)
  turns.set(
    store,
    turn.catch(() => undefined),
  )
  return turn
}
const turns = new WeakMap<ConditionalStore, Promise<void>>()

/**
 * Asserts, before an effect, that this run still holds the lock and that no later epoch has begun. A lock that expired
 * or is about to, because the witness was silent, is renewed unless another process has taken it: taking it changes the
 * record, and our compare-and-set fails.
 */
export async function assertStillOurs(
  store: ConditionalStore,
  holder: string,
  epoch: number,
  now: Date,
): Promise<void> {
  const [found, active] = await Promise.all([holdingOf(store, holder), readActive(store)])
  if (found.is !== 'ours') throw lockLost(holder, found)
  if (Date.parse(found.lock.record.expiresAt) - now.getTime() < lifetimeOver(store) / 2) {
    const renewal = await renewLock(store, holder, now)
    if (renewal.is !== 'renewed') throw lockLost(holder, renewal)
  }
  if (active !== null && active.record.epoch > epoch)
    throw lockLostError(holder, `epoch ${active.record.epoch} has begun, this run belongs to epoch ${epoch}`)
}

/** The holder of the lock, as its holder sees it. */
type Holding =
  | { readonly is: 'ours'; readonly lock: Versioned<LockRecord> }
  | { readonly is: 'released' }
  | { readonly is: 'taken'; readonly by: string }

async function holdingOf(store: ConditionalStore, holder: string): Promise<Holding> {
  const current = await readLock(store)
  if (current === null || current.record.released) return { is: 'released' }
  return current.record.holder === holder ? { is: 'ours', lock: current } : { is: 'taken', by: current.record.holder }
}

function lockHeld(lock: LockRecord): StandbyError {
  return new StandbyError({
    code: 'lock-held',
    mustAct: 'approval',
    what: `${lock.holder} holds the lock of ${lock.stack} since ${lock.takenAt}, for: ${lock.purpose}`,
    where: 'witness lock.json',
    next: `Wait for that run to end; if its runner is dead, the lock ends by itself at ${lock.expiresAt}. Then begin again: nothing was changed or used up.`,
  })
}

/** The error of a process that could not keep its lock. */
export const lockLost = (holder: string, found: Exclude<Renewal, { readonly is: 'renewed' }>): StandbyError =>
  lockLostError(holder, found.is === 'taken' ? `${found.by} holds it now` : 'it was released')

function lockLostError(holder: string, why: string): StandbyError {
  return new StandbyError({
    code: 'lock-lost',
    mustAct: 'site',
    what: `${holder} does not hold the lock any more: ${why}`,
    where: 'witness lock.json',
    next: 'Look at what the other run did before anything else is started.',
  })
}

const asDocument = (record: object): JsonObject => record as JsonObject
