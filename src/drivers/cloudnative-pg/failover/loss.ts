import type { BySite } from '../../../domain/observed.ts'
import type { ComponentLoss, Intent } from '../../../domain/plan.ts'
import { lossOfFailover } from '../../../systems/postgres/predicted-loss.ts'
import type { CloudNativePgState } from '../observe.ts'
import { positionOf } from '../position.ts'
import { clusterOf, type Database } from '../spec.ts'
import { farther } from './followers-ahead.ts'

/** What a failover now would lose; null for another move. Pure. */
export function predictedLoss(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  now: string,
): ComponentLoss | null {
  if (intent.mode !== 'failover') return null
  const to = states[intent.to]
  if (to?.kind !== 'answering')
    return { of: 'writes', bytes: [0, null], seconds: [0, null], why: `nothing is known of ${intent.to}` }
  const from = states[intent.from]
  const { cluster: name, archiveTimeout } = to.state
  return lossOfFailover({
    lost: {
      name: clusterOf(component, intent.from),
      answers: from?.kind === 'answering',
      currentLsn: from?.kind === 'answering' ? (from.state.instance?.currentLsn ?? null) : null,
    },
    successor: { name, archiveTimeout, ...positionOf(to.state) },
    ahead: farther(component, states, intent)[0] ?? null,
    now,
  })
}
