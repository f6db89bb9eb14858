import type { SiteName } from '../../../domain/stack.ts'
import { type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { clusterOf, type Database } from '../spec.ts'
import { backup } from './base-backup.ts'
import { manifest } from './manifest.ts'

/** A base backup now, and the manifest by which a restore test judges it. Pure. */
export function backupSteps(component: Database, site: SiteName): DriverStep[] {
  const cluster = clusterOf(component, site)
  const taken = stepOf(component, backup, site)
  return [
    planStep(backup, site, {
      phase: 'PROTECT',
      title: `Takes a base backup of ${cluster}`,
      deadline: minutes(60),
      expected: seconds(10),
      parameters: { cluster },
    }),
    planStep(manifest, site, {
      phase: 'PROTECT',
      needs: [taken],
      title: `Writes down what a restore of ${cluster} must contain`,
      deadline: minutes(10),
      expected: seconds(4),
      parameters: { cluster, backup: taken.id },
    }),
  ]
}
