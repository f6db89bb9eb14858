import type { Intent } from '../../../domain/plan.ts'
import { type DriverStep, stepOf } from '../../../driver/action.ts'
import { backupSteps } from '../backup/backup.ts'
import type { Database } from '../spec.ts'
import { archiveCheckpointStep } from './archive-checkpoint.ts'
import { catchUpStep } from './catch-up.ts'
import { checkpointStep } from './checkpoint.ts'
import { clearTokenStep } from './clear-token.ts'
import { demoteStep } from './demote.ts'
import { fillArchiveStep } from './fill-archive.ts'
import { followStep } from './follow.ts'
import { leaveArchiveSteps } from './leave-archive.ts'
import { promote, promoteStep } from './promote.ts'
import { restartStep } from './restart.ts'
import { restartAheadStep } from './restart-ahead.ts'
import { scheduleSteps } from './schedule.ts'
import { secondLookStep } from './second-look.ts'

/** The old primary hands over, and follows. Once users are served, the rest is set up for the next move. Pure. */
export function switchoverSteps(component: Database, intent: Intent): DriverStep[] {
  const promotion = stepOf(component, promote, intent.to)
  return [
    checkpointStep(component, intent),
    ...leaveArchiveSteps(component, intent),
    restartAheadStep(component, intent),
    secondLookStep(component, intent),
    demoteStep(component, intent),
    catchUpStep(component, intent),
    promoteStep(component, intent),
    restartStep(component, intent.to, promotion),
    fillArchiveStep(component, intent.to),
    archiveCheckpointStep(component, intent.to, promotion),
    followStep(component, intent.from, intent.to, 'PROTECT'),
    clearTokenStep(component, intent),
    ...scheduleSteps(component, intent.to, false),
    ...scheduleSteps(component, intent.from, true),
    ...backupSteps(component, intent.to),
  ]
}
