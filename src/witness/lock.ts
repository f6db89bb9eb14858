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
 * How long a lock lives without being renewed. A process that resumes a run whose runner died waits for it while users
 * are shut out, so it is short: nobody waits longer than 15 s for a holder that is gone, the start of their own process
 * and what it looks at again included. Nothing rests on it but who may begin: each effect looks at the lock for itself,
 * and a lock that expired while its holder lives, because the witness was slow, is renewed by it unless somebody has
 * taken it.
 */
export const LOCK_LIFETIME: Milliseconds = seconds(10)
/** So that three renewals may fail, or be late, before it expires. */
export const LOCK_RENEWAL: Milliseconds = seconds(2.5)
/**
 * Of a holder that is far from its witness: one renewal asks three times, one after the other (4.5 s over 1.5 s), and a
 * lost packet costs it three round trips more, two in a row nine. The lock lives 30 s there, and so long is a holder
 * waited for that died.
 */
const FAR_HOLDER: Trips = { trips: 16, most: seconds(45) }
/** How long a lock that is written now lives. */
const lifetimeOver = ({ way }: ConditionalStore): Milliseconds => overWay(way, LOCK_LIFETIME, FAR_HOLDER)

/** Throws `witness-damaged`: nobody can say whether a run is at work. */
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
 * Takes the lock, if nobody holds it: at most one of any number of runs gets it.
 * Throws `lock-held` with holder, purpose and expiry when somebody else does.
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
    // A renewal of this very process, between two tries.
    if (winner !== null && winner.record.holder === request.holder && !winner.record.released) return
    throw winner === null ? error : lockHeld(winner.record)
  }
}

/** What became of a lock that its holder wanted to keep. */
export type Renewal =
  | { readonly is: 'renewed' }
  | { readonly is: 'released' }
  | { readonly is: 'taken'; readonly by: string }

/**
 * Extends our lock, if it is ours still. Throws what kept it from asking. Nothing is written once `wanted` says no: it
 * is asked after each read, so that {@link endLock}, which follows that no, is the last to write. A renewal that was
 * sent before it is overwritten, or finds another version.
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
 * Ends the life of our lock, and does not release it: everybody sees that the run is unfinished, and nobody who
 * continues it has to wait. For a process that stops by itself, with nothing of it under way any more.
 */
export function endLock(store: ConditionalStore, holder: string, now: Date): Promise<void> {
  const ours = async (): Promise<Versioned<LockRecord> | null> => {
    const found = await holdingOf(store, holder)
    return found.is === 'ours' ? found.lock : null
  }
  return inTurn(store, () => changeLock(store, ours, (record) => ({ ...record, expiresAt: now.toISOString() })))
}

/** Gives our lock back; nothing happens when it is not ours any more. */
export function releaseLock(store: ConditionalStore, holder: string): Promise<void> {
  const ours = async (): Promise<Versioned<LockRecord> | null> => {
    const current = await readLock(store)
    return current === null || current.record.holder !== holder || current.record.released ? null : current
  }
  return inTurn(store, () => changeLock(store, ours, (record) => ({ ...record, released: true })))
}

/**
 * A holder is one process: whoever changed the record while it is still ours was a write of our own, and the change is
 * made again on top of it.
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
/** Of two instants in ISO 8601, UTC. */
const latest = (one: string, other: string): string => (one > other ? one : other)

/** Steps that run side by side, the timer and the end of a run change the lock one after another. */
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
 * Asserts, in front of an effect, that this run still holds the lock and that no later epoch has begun. A lock that
 * expired or is about to, because the witness was silent, is renewed, if nobody has taken it: whoever takes it changes
 * the record, and our compare-and-set fails.
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

/** Whose the lock is, as seen by one that took it. */
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

/** The failure of a process that wanted to keep its lock. */
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
