import type { Intent, KeptData } from '../../domain/plan.ts'
import { clusterOf, type Database } from './spec.ts'

/** A switchover replays all before it promotes; a rejoin looks for what the old history alone holds. Pure. */
export function keptData(component: Database, { mode, from, to }: Intent): KeptData {
  const [old, other] = [clusterOf(component, from), clusterOf(component, to)]
  return mode === 'rejoin'
    ? { carried: false, what: `what exists only in ${other} is kept as evidence` }
    : { carried: true, what: `the last write of ${old} is replayed on ${other} before that is promoted` }
}
