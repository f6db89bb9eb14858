import { minutes, seconds } from '../../duration.ts'
import type { Behaviour } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from './spec.ts'
import { plannedStep } from './steps.ts'
import { clusterOfRun, instanceOf, sqlOf } from './where.ts'

/** What can be written out before users notice anything is written out now: the shutdown has less to ship. */
export function checkpointStep(component: Database, intent: Intent): PlannedStep {
  const from = clusterOf(component, intent.from)
  return plannedStep(component, 'checkpoint', intent.from, {
    phase: 'PREFLIGHT',
    title: `Writes out and ships what ${from} holds in memory, so that its shutdown is short`,
    deadline: minutes(5),
    expected: seconds(3),
    parameters: { cluster: from },
  })
}

export const checkpoint: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    if (!run.applied) return { is: 'pending', waitingFor: 'a checkpoint' }
    const instance = await instanceOf(run, await clusterOfRun(run))
    const ready = instance?.readyWalFiles ?? 0
    return ready > 0
      ? { is: 'pending', waitingFor: `${ready} WAL files to be archived` }
      : { is: 'done', proof: { lastArchivedWal: instance?.lastArchivedWAL ?? null } }
  },
  async apply(run) {
    await sqlOf(run, 'CHECKPOINT; SELECT pg_switch_wal();')
  },
}
