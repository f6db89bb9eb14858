import type { Intent, KeptData } from '../../../domain/plan.ts'
import type { DriverStep } from '../../../driver/action.ts'
import { backupSteps } from '../backup/backup.ts'
import { checkpointStep } from '../move/checkpoint.ts'
import { clusterNamed, type Database } from '../spec.ts'
import { handOverStep } from './hand-over.ts'
import { lockHeldStep } from './lock-held.ts'

/** Patroni hands its lock over to a member of the target. Pure. */
export const stretchedSwitchover = (component: Database, intent: Intent): DriverStep[] => [
  checkpointStep(component, intent),
  handOverStep(component, intent),
  ...backupSteps(component, intent.to),
]

/** Patroni has failed over by itself: nothing of the data is moved, and its lock is the fence. Pure. */
export const stretchedFailover = (component: Database, intent: Intent): DriverStep[] => [
  lockHeldStep(component, intent),
  ...backupSteps(component, intent.to),
]

/** What becomes of the writes that the site which is left holds. Pure. */
export function stretchedData(component: Database, { mode, from, to }: Intent): KeptData {
  return mode === 'rejoin'
    ? { carried: false, what: `Patroni has ${clusterNamed(component, to)} follow by itself` }
    : {
        carried: true,
        what: `Patroni shuts ${clusterNamed(component, from)} down in good order before a member on ${to} takes the lock`,
      }
}
