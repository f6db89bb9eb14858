import type { StepReference } from '../../../driver/behaviour.ts'
import type { MeasuredLoss } from '../../../driver/proofs.ts'
import { lossSinceFork } from '../../../systems/postgres/measured-loss.ts'
import type { DatabaseRun } from '../run.ts'
import type { Drained } from './drain-archive.ts'
import type { Fenced } from './fence.ts'

/** The parameters by which a loss is measured. */
export type OfLoss = {
  /** Id of the step that drained the archive. */
  readonly drained: string
  /** Id of the step that fenced the lost site; a plan need not have it. */
  readonly fenced: string
  /** Position at which the lost primary was last seen (LSN). */
  readonly lastSeenAt: string | null
}

/** What the failover has lost, once the new history has begun at `forkedAt` (LSN; empty: not known). */
export function measuredLoss(run: DatabaseRun<OfLoss>, forkedAt: string): MeasuredLoss {
  const { drained, fenced, lastSeenAt } = run.step.parameters
  const drainage: StepReference<Drained> = { id: drained }
  const fencing: StepReference<Partial<Fenced>> = { id: fenced }
  const [{ lastCommitAt = null } = {}, fence] = [run.proofOf(drainage) ?? undefined, run.proofOf(fencing)]
  const loss = lossSinceFork({
    forkedAt,
    fenced: fence === null ? null : { endedAt: fence.endedAt ?? null, state: fence.state ?? null },
    lastSeenAt,
    lastCommitAt,
    closedAt: fence?.fencedAt ?? run.begunAt,
  })
  return { of: 'writes', ...loss, lastCommitAt }
}
