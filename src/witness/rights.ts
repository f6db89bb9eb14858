import type { Identity } from '../domain/identities.ts'

/** What an identity may do with some objects of the witness. No identity may delete an object. */
export interface WitnessRight {
  /** A key, or a folder that ends with `/`. */
  readonly keys: string
  /** May create and replace. */
  readonly write: readonly Identity[]
  /** May create objects, but not replace them. */
  readonly create?: readonly Identity[]
  readonly because: string
}

/**
 * Who may write what: printed by `standby rbac`, and the policy of the lab. Only the mover writes the objects that
 * decide about a move. A deploy writes two objects that a move reads: its lock, which can delay a move and never starts
 * one, and the first `active.json`. Its journal decides nothing.
 */
export const WITNESS_RIGHTS: readonly WitnessRight[] = [
  {
    keys: 'active.json',
    write: ['mover'],
    create: ['deployer'],
    because: 'to begin an epoch and to name the active site; the first deploy names the first one',
  },
  { keys: 'lock.json', write: ['mover', 'deployer'], because: 'so that deploys and moves exclude each other' },
  { keys: 'nonces/', write: ['mover'], because: 'to execute a plan once' },
  { keys: 'runs/', write: ['mover'], because: 'to keep plan, approval and journal of each run' },
  { keys: 'deploys/', write: [], create: ['deployer'], because: 'to keep the journal of each deploy' },
  { keys: 'evidence/', write: ['mover'], because: 'to leave the record of each run' },
  { keys: 'records/backups/', write: ['mover'], because: 'to write down what a restore must contain' },
  { keys: 'records/forks/', write: ['mover'], because: 'to write down that a history was cut off' },
  {
    keys: 'records/restore-tests/',
    write: ['restore-tester', 'mover'],
    because: 'to keep what restore tests found; one that takes a backup first runs as the mover',
  },
  {
    keys: 'probe.json',
    write: ['mover', 'deployer', 'restore-tester'],
    because: 'to find out whether the store honours preconditions',
  },
]

/** What an identity reads: a guard only the active record, every other identity all objects. */
export const readsOf = (identity: Identity): 'active.json' | 'everything' =>
  identity === 'guard' ? 'active.json' : 'everything'

/** The keys that an identity may write, as patterns: a folder with `*` at its end. */
export function writesOf(identity: Identity): {
  readonly write: readonly string[]
  readonly create: readonly string[]
} {
  const patterns = (rights: readonly WitnessRight[]): string[] =>
    rights.map(({ keys }) => (keys.endsWith('/') ? `${keys}*` : keys))
  return {
    write: patterns(WITNESS_RIGHTS.filter(({ write }) => write.includes(identity))),
    create: patterns(WITNESS_RIGHTS.filter(({ create }) => create?.includes(identity) === true)),
  }
}
