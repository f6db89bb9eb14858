import type { Intent } from '../../../domain/plan.ts'
import { type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { stateAt } from '../assess/findings-of-site.ts'
import { fenceStep } from '../failover/fence.ts'
import { type Following, followStep, type OfFollowing } from '../move/follow.ts'
import { redirect } from '../move/redirect.ts'
import type { PatroniState } from '../observe.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { enroll, enrollStep } from './enroll.ts'
import { keepEvidenceStep } from './keep-evidence.ts'
import { start, startStep } from './start.ts'
import { wayBack } from './way-back.ts'
import { wipe, wipeStep } from './wipe.ts'

/**
 * The former active site becomes a passive one: it is stopped, what only it has is kept, its configuration is written
 * before it starts, and it is rewound or copied anew. A site that follows already, or was only left behind by a move,
 * is not stopped. Pure.
 */
export function rejoinSteps(component: Database, states: StatesPerSite<PatroniState>, intent: Intent): DriverStep[] {
  const { from, to } = intent
  const [active, former] = [stateAt(states, from), stateAt(states, to)]
  const way = active === null || former === null ? 'clone' : wayBack(active, former, from)
  if (way === 'follows') return [followStep(component, to, from, 'GREEN')]
  if (way === 'redirect')
    return [
      planStep<PatroniSpec, OfFollowing, Following>(redirect, to, {
        phase: 'START',
        title: `Has ${clusterNamed(component, to)} follow ${from}, and waits until it streams on its timeline`,
        deadline: minutes(5),
        expected: seconds(8),
        parameters: { followed: from },
      }),
    ]
  const before = way === 'clone' ? stepOf(component, wipe, to) : stepOf(component, enroll, to)
  return [
    fenceStep(component, to),
    keepEvidenceStep(component, intent, way === 'clone'),
    enrollStep(component, intent),
    ...(way === 'clone' ? [wipeStep(component, intent)] : []),
    startStep(component, to, from, [before]),
    followStep(component, to, from, 'GREEN', { needs: [stepOf(component, start, to)], isCopied: way === 'clone' }),
  ]
}
