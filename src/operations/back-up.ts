import type { World } from '../composition/connect.ts'
import type { PlannedStep } from '../domain/plan.ts'
import { componentOf } from '../domain/stack.ts'
import { backupStepsOf, behaviourOf } from '../driver/ask.ts'
import type { EngineBehaviour } from '../driver/engine.ts'
import { asStandbyError, failureOf, StandbyError } from '../errors/standby-error.ts'
import type { BackupReport } from '../evidence/reports.ts'
import { progressTo } from '../execution/progress.ts'
import { runSingle } from '../execution/single-run.ts'
import { sha256Of } from '../planning/plan-digest.ts'
import type { Json } from '../values/json.ts'
import { journalFolder } from '../witness/keys.ts'
import { patientStore } from '../witness/patient-store.ts'
import { activeSiteOf } from './active-site.ts'
import { observeDeclared } from './observe-declared.ts'
import { newRun } from './run-id.ts'

/**
 * Takes a backup of every component of the active site now, each with the manifest that a restore test is judged
 * against.
 */
export async function backUp(world: World): Promise<BackupReport> {
  const begun = world.clock.now().getTime()
  const observation = await observeDeclared(world)
  const site = activeSiteOf(world.stack, observation)
  const steps = world.stack.components.flatMap((component) =>
    backupStepsOf(
      world.drivers[component.driver],
      component,
      observation.components[component.name] ?? {},
      site,
      world.stack,
    ),
  )
  const run = `backup-${newRun(world.clock.now())}`
  const outcome = await runSingle({
    run,
    steps,
    behaviourOf: (step) => performing(world, step),
    stopsOthers: true,
    purpose: null,
    epoch: observation.witness.kind === 'answering' ? (observation.witness.active?.epoch ?? 0) : 0,
    journal: {
      folder: journalFolder(run),
      digest: sha256Of(steps as unknown as Json),
      refused:
        'the journal of this backup cannot be written to the witness, and the backup goes on without it; where the witness denies it, give the mover its rights again (standby rbac --policy mover)',
    },
    store: patientStore(world.store, world),
    witness: world.store,
    drivers: world.drivers,
    context: world.context,
    clock: world.clock,
    progress: progressTo(world.log, world.clock, world.listener),
    signal: world.signal,
  })
  return {
    schemaVersion: 1,
    stack: world.stack.name,
    site,
    steps: outcome.reports,
    failure: outcome.failure === null ? null : failureOf(asStandbyError(outcome.failure)),
    duration: world.clock.now().getTime() - begun,
  }
}

/** A backup that a restore test can rely on: throws the error of a failed one. */
export async function freshBackup(world: World): Promise<BackupReport> {
  const report = await backUp(world)
  if (report.failure === null) return report
  const { code, what, where, next } = report.failure
  throw new StandbyError({ code, mustAct: 'site', what, where: where ?? undefined, next: next ?? undefined })
}

function performing(world: World, step: PlannedStep): EngineBehaviour {
  const behaviour = behaviourOf(world.drivers[componentOf(world.stack, step.component).driver], step.action)
  if (behaviour === undefined) throw new Error(`no driver performs ${step.action} of ${step.id}`)
  return behaviour
}
