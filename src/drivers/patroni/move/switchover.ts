import type { Intent, KeptData } from '../../../domain/plan.ts'
import type { DriverStep } from '../../../driver/action.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { membersAnswering } from '../assess/findings-of-site.ts'
import type { PatroniState } from '../observe.ts'
import { clusterNamed, type Database } from '../spec.ts'
import { catchUpStep } from './catch-up.ts'
import { checkpointStep } from './checkpoint.ts'
import { demoteStep } from './demote.ts'
import { followStep } from './follow.ts'
import { promoteStep } from './promote.ts'

/** The old primary hands over, and follows. Pure. */
export const switchoverSteps = (
  component: Database,
  states: StatesPerSite<PatroniState>,
  intent: Intent,
): DriverStep[] => [
  checkpointStep(component, intent),
  demoteStep(component, intent, membersAnswering(states, intent.from)),
  catchUpStep(component, intent, membersAnswering(states, intent.to)),
  promoteStep(component, intent),
  followStep(component, intent.from, intent.to, 'PROTECT'),
]

/** A switchover replays all before it promotes; a rejoin keeps what the old history alone holds. Pure. */
export function keptData(component: Database, { mode, from, to }: Intent): KeptData {
  const [old, other] = [clusterNamed(component, from), clusterNamed(component, to)]
  return mode === 'rejoin'
    ? { carried: false, what: `what exists only in ${other} is kept as evidence` }
    : { carried: true, what: `the last write of ${old} is replayed on ${other} before that is promoted` }
}
