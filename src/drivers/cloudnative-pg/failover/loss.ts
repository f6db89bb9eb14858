import type { BySite } from '../../../domain/observed.ts'
import type { ComponentLoss, Intent } from '../../../domain/plan.ts'
import { lossSinceFork } from '../../../systems/postgres/measured-loss.ts'
import { lossOfFailover } from '../../../systems/postgres/predicted-loss.ts'
import type { JsonObject } from '../../../values/json.ts'
import type { CloudNativePgState } from '../observe.ts'
import { positionOf } from '../position.ts'
import { clusterOf, type Database } from '../spec.ts'
import { parameter } from '../steps.ts'
import type { Run } from '../where.ts'
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

/** What the failover has lost, once the new history has begun at `forkedAt`. */
export function countedLoss(run: Run, forkedAt: string): JsonObject {
  const drained = run.proofOf(parameter(run.step, 'drained'))
  const fenced = run.proofOf(parameter(run.step, 'fenced'))
  const { bytes, seconds, why } = lossSinceFork({
    forkedAt,
    fenced: fenced === null ? null : { endedAt: textOf(fenced.endedAt), state: textOf(fenced.state) },
    lastSeenAt: textOf(run.step.parameters.lastSeenAt),
    lastCommitAt: textOf(drained?.lastCommitAt),
    closedAt: textOf(fenced?.fencedAt) ?? run.begunAt,
  })
  return { bytes: [...bytes], seconds: [...seconds], lastCommitAt: drained?.lastCommitAt ?? null, why }
}
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)
