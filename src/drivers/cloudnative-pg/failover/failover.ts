import type { BySite } from '../../../domain/observed.ts'
import type { Intent } from '../../../domain/plan.ts'
import { type DriverStep, stepOf } from '../../../driver/action.ts'
import { backupSteps } from '../backup/backup.ts'
import { archiveCheckpointStep } from '../move/archive-checkpoint.ts'
import { fillArchiveStep } from '../move/fill-archive.ts'
import { askArchiveSteps } from '../move/leave-archive.ts'
import { restartStep } from '../move/restart.ts'
import { scheduleSteps } from '../move/schedule.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'
import { closeArchiveSteps } from './close-archive.ts'
import { drainStep } from './drain-archive.ts'
import { markForkStep } from './mark-fork.ts'
import { promoteLostStep, promoteWithoutToken } from './promote-without-token.ts'

/**
 * What is done on `intent.to`, and with what the lost site left elsewhere: no step acts on the lost site or waits for
 * it. The archive is closed first, so that nothing is added to it once it is drained. Pure.
 */
export function failoverSteps(component: Database, states: BySite<CloudNativePgState>, intent: Intent): DriverStep[] {
  const [from, to] = [states[intent.from], states[intent.to]]
  const here = to?.kind === 'answering' ? to.state : null
  const upstream = here?.upstream?.cluster === clusterOf(component, intent.from) ? here.upstream : null
  const promotion = stepOf(component, promoteWithoutToken, intent.to)
  const closing = closeArchiveSteps(component, intent, upstream)
  return [
    ...closing,
    drainStep(component, intent, upstream, here?.segmentBytes ?? null, { closes: closing.length > 0 }),
    promoteLostStep(component, intent, here, from?.kind === 'answering' ? from.state : null),
    restartStep(component, intent.to, promotion),
    markForkStep(component, intent, upstream),
    fillArchiveStep(component, intent.to),
    ...askArchiveSteps(component, intent),
    archiveCheckpointStep(component, intent.to, promotion),
    ...scheduleSteps(component, intent.to, false),
    ...backupSteps(component, intent.to),
  ]
}
