import type { Place } from './model-plans.ts'

/** A whole world in a few small numbers, so that millions of them fit into memory and can be compared exactly. */
export type WorldState = Uint16Array<ArrayBufferLike>

export const MAX_RUNS = 3
export const MAX_PROCESSES = 4
export const MAX_UNDERWAY = 2

let next = 0
const field = (): number => next++
const fields = (count: number): number => {
  next += count
  return next - count
}

/** active.json, lock.json and the nonces. Versions are not kept: what matters of one is whether it is still current. */
export const EPOCH = field()
export const ACTIVE = field()
/** The run that wrote active.json, plus one; 0: an earlier one. */
export const ACTIVE_RUN = field()
/** The process that may change active.json, plus one. */
export const ACTIVE_HOLDER = field()
/** The process that holds the lock, plus one. */
export const HOLDER = field()
export const LOCK = field()
export const FREE = 0
export const HELD = 1
/** Its time is over, and no process has taken it. */
export const EXPIRED = 2
export const RELEASED = 3
/** Per nonce: the run that burnt it, plus one. */
export const NONCE = fields(MAX_RUNS)
/** Per run: its journal, by number (`RunTable.journal`). */
export const JOURNAL = fields(MAX_RUNS)

/** Per process. */
export const LIFE = fields(MAX_PROCESSES)
export const UNBORN = 0
export const ALIVE = 1
export const CRASHED = 2
/** Ended, and said why: moved, undone, stopped with a code, or refused. */
export const ENDED = 3
export const RUN_STATE = fields(MAX_PROCESSES)
/** A later process of its run writes the journal: nothing can be appended any more. */
export const STALE = fields(MAX_PROCESSES)
/** How far the lock step's three writes are. */
export const LOCK_PART = fields(MAX_PROCESSES)
/** Whether it has an error to name. */
export const HAS_ERROR = fields(MAX_PROCESSES)
/** Per step, one bit: the object is still the version that was read before the last look at the lock. */
export const FRESH = fields(MAX_PROCESSES)

/** Per site. */
export const SITE = fields(2)
export const DEAD = 0
/** Alive for the users of its own load balancer, and for no others. */
export const CUT = 1
export const UP = 2
export const DATABASE = fields(2)
export const REPLICA = 0
export const PRIMARY = 1
export const APPLICATION = fields(2)
/** The writes that it holds, one bit each. */
export const DATA = fields(2)
/** Whether its guard has proof, not yet run out, that the site is active. */
export const LEASE = fields(2)
/** One load balancer per site: 0 closed, or the site it leads to plus one. */
export const BALANCER = fields(2)
/**
 * The third site: up or not, the site that it follows, what it holds, and how often it may still go away. Always dead
 * where no plan has one.
 */
export const THIRD = field()
export const THIRD_FOLLOWS = field()
export const THIRD_DATA = field()
export const THIRD_OUTAGES = field()
/** Writes that users were promised, one bit each. */
export const ACKNOWLEDGED = field()
export const WRITES = field()

/** Per epoch from 2 on: the run that passed LOCK, plus one. */
export const PASSED = fields(3)
/** Effects whose senders do not wait for them any more: 0, or an effect (`sites.ts`). */
export const UNDERWAY = fields(MAX_UNDERWAY)
/** What the adversary may still do. */
export const CRASHES = field()
export const FAULTS = field()
export const DELAYS = field()
export const OUTAGES = field()
/**
 * How often the old site may be opened by hand, the journal may be forged, and its newest entries may vanish.
 */
export const HANDS = field()
export const LIES = field()
export const CUTS = field()
export const WIDTH = next

export const get = (world: WorldState, field: number): number => world[field] ?? 0
export const site = (field: number, place: Place): number => field + place

/** Two processes of one run, or of two: who is who, as plain text. */
export function describeWorld(world: WorldState): string {
  const name = (value: number): string => (value === 0 ? 'dc-a' : 'dc-b')
  const lock = ['free', 'held', 'expired', 'released'][get(world, LOCK)] ?? '?'
  const place = (at: Place): string => {
    const up = ['dead', 'cut', 'up'][get(world, SITE + at)] ?? '?'
    const database = get(world, DATABASE + at) === PRIMARY ? 'primary' : 'replica'
    const application = get(world, APPLICATION + at) === 1 ? 'on' : 'off'
    const balancer = get(world, BALANCER + at)
    return `${name(at)} ${up}, database ${database} with writes ${get(world, DATA + at).toString(2)}, application ${application}, its load balancer ${balancer === 0 ? 'closed' : `to ${name(balancer - 1)}`}`
  }
  return [
    `epoch ${get(world, EPOCH)}, active ${name(get(world, ACTIVE))}, lock ${lock}${get(world, HOLDER) === 0 ? '' : ` (process ${get(world, HOLDER)})`}`,
    place(0),
    place(1),
    `dc-c ${get(world, THIRD) === UP ? 'up' : 'away'}, follows ${name(get(world, THIRD_FOLLOWS))}, with writes ${get(world, THIRD_DATA).toString(2)}`,
    `acknowledged ${get(world, ACKNOWLEDGED).toString(2)}`,
  ].join('; ')
}
