import type { BySite } from '../../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { DriverStep } from '../../../driver/kit/action.ts'
import { backupSteps } from '../backup/backup.ts'
import { scheduleStep, settleStep } from '../move/after-move.ts'
import { fillArchiveStep } from '../move/fill-archive.ts'
import { askArchiveSteps } from '../move/leave-archive.ts'
import { restartStep } from '../move/restart.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'
import { stepId } from '../steps.ts'
import { closeArchiveSteps } from './close-archive.ts'
import { drainStep } from './drain-archive.ts'
import { markForkStep } from './forks.ts'
import { promoteLostStep } from './promote-without-token.ts'

/**
 * What is done on `intent.to`, and with what the lost site left elsewhere: no step acts on the lost site or waits for
 * it. The archive is closed first, so that what is drained is all that there will ever be.
 */
export function failoverSteps(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
): (PlannedStep | DriverStep)[] {
  const [from, to] = [states[intent.from], states[intent.to]]
  const here = to?.kind === 'answering' ? to.state : null
  const upstream = here?.upstream?.cluster === clusterOf(component, intent.from) ? here.upstream : null
  const promotion = stepId(component, 'promote-without-token', intent.to)
  const closing = closeArchiveSteps(component, intent, upstream)
  return [
    ...closing,
    { ...drainStep(component, intent, upstream, here?.segmentBytes ?? null), needs: closing.map(({ id }) => id) },
    promoteLostStep(component, intent, here, from?.kind === 'answering' ? from.state : null),
    restartStep(component, intent.to, promotion),
    markForkStep(component, intent, upstream),
    fillArchiveStep(component, intent.to),
    ...askArchiveSteps(component, intent),
    settleStep(component, intent.to, promotion),
    ...(component.spec.schedule === undefined ? [] : [scheduleStep(component, intent.to, false)]),
    ...backupSteps(component, intent.to),
  ]
}
