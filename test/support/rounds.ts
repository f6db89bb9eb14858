/** Set by `.ci/run` and by the mutation check. */
const ALL = process.env.STANDBY_ALL_ROUNDS === '1'
const SHARE = 5

/**
 * How often a property is tried: all rounds in CI, a fifth of them (but at least `least`) at a desk. For properties
 * whose rounds cost seconds; fast-check tries others each time, so that each run adds to the ones before.
 */
export const rounds = (all: number, least = 1): number => (ALL ? all : Math.max(Math.ceil(all / SHARE), least))
