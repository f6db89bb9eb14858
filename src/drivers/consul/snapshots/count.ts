import { objectsIn, textIn } from '../../../clients/consul/fields.ts'

/** What is counted in a datacenter when a snapshot of it is taken, and in the restored copy. */
export const COUNTED = ['keys', 'heldKeys', 'queries', 'entries'] as const
export type Counts = {
  /** Keys of the KV store. */
  readonly keys: number
  /** Those of them that a session holds: they may go with it when the copy ends the sessions of nodes that it lacks. */
  readonly heldKeys: number
  readonly queries: number
  /** Configuration entries of {@link ENTRY_KINDS}. */
  readonly entries: number
}

const ENTRY_KINDS = [
  'proxy-defaults',
  'mesh',
  'exported-services',
  'service-defaults',
  'service-router',
  'service-splitter',
  'service-resolver',
  'service-intentions',
  'ingress-gateway',
  'terminating-gateway',
] as const

/**
 * Paths below `/v1/` whose answers {@link countsIn} takes, in this order. `keys`: names alone, where
 * it does not matter which of them a session holds.
 */
export const countedPaths = (kv: 'recurse' | 'keys'): string[] => [
  `kv/?${kv}`,
  'query',
  ...ENTRY_KINDS.map((kind) => `config/${kind}`),
]

/** `answers`: JSON values of the paths; null where there is none (404). Pure. */
export function countsIn(answers: readonly unknown[]): Counts {
  const [keys = [], queries = [], ...entries] = answers.map((answer) => (Array.isArray(answer) ? answer : []))
  return {
    keys: keys.length,
    heldKeys: objectsIn(keys).filter(({ Session }) => textIn(Session) !== '').length,
    queries: queries.length,
    entries: entries.reduce((sum, some) => sum + some.length, 0),
  }
}

/** The least, and the most, of two countings. Pure. */
export const bounds = (one: Counts, other: Counts): { readonly least: Counts; readonly most: Counts } => ({
  least: each((what) => Math.min(one[what], other[what])),
  most: each((what) => Math.max(one[what], other[what])),
})
const each = (count: (what: keyof Counts) => number): Counts => ({
  keys: count('keys'),
  heldKeys: count('heldKeys'),
  queries: count('queries'),
  entries: count('entries'),
})

export const inWords = ({ keys, queries, entries }: Omit<Counts, 'heldKeys'>): string =>
  `${keys} keys, ${queries} prepared queries, ${entries} configuration entries`
