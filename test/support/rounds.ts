/** In CI and in the mutation check: everything is tried. */
export const ALL_ROUNDS = process.env.STANDBY_ALL_ROUNDS === '1'
const SHARE = 5

/**
 * How often a property is tried: all rounds in CI, a fifth of them (but at least `least`) at a desk. For properties
 * whose rounds cost seconds; fast-check tries others each time, so that each run adds to the ones before.
 */
export const rounds = (all: number, least = 1): number => (ALL_ROUNDS ? all : Math.max(Math.ceil(all / SHARE), least))

/** The distance between two {@link instantsOfDeath}. A test that counts what came of them divides its bound by it. */
export const INSTANTS_APART = ALL_ROUNDS ? 1 : 3

/**
 * The instants at which a test ends its process, in ascending order: each one in CI, every third one at a desk, with
 * another first one each time. The test leaves the loop when its process lives to the end of its work.
 */
export function* instantsOfDeath(): Generator<number, never> {
  for (let instant = Math.floor(Math.random() * INSTANTS_APART); ; instant += INSTANTS_APART) yield instant
}

/**
 * All of these in CI. At a desk one of them, another one at each call: a loop that asks for them tries each in its turn,
 * and begins with another one in each run.
 */
export function inTurn<T>(all: readonly [T, ...T[]]): () => readonly T[] {
  let turn = Math.floor(Math.random() * all.length)
  return () => (ALL_ROUNDS ? all : [all[turn++ % all.length] ?? all[0]])
}
