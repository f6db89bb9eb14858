import type { SiteName } from '../../../domain/stack.ts'
import type { DriverStep } from '../../../driver/action.ts'
import type { Database } from '../spec.ts'
import { baseBackupStep } from './base-backup.ts'
import { manifestStep } from './manifest.ts'

/**
 * A base backup now, and the manifest by which a restore test judges it; none where no backups are declared. After a
 * move the stanza of the new active site holds no base backup of the new timeline. Pure.
 */
export const backupSteps = (component: Database, site: SiteName): DriverStep[] =>
  component.spec.backups === undefined ? [] : [baseBackupStep(component, site), manifestStep(component, site)]
