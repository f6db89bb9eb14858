import type { World } from '../composition/connect.ts'
import type { PlannedStep } from '../domain/plan.ts'
import { componentOf } from '../domain/stack.ts'
import type { EngineBehaviour } from '../driver/kit/engine.ts'
import { behaviourOf } from '../driver/kit/lifted.ts'
import { asStandbyError, failureOf, StandbyError } from '../errors/standby-error.ts'
import type { BackupReport } from '../evidence/reports.ts'
import { progressTo } from '../execution/progress.ts'
import type { Course } from '../execution/run-state.ts'
import { runSteps } from '../execution/run-steps.ts'
import { beginRun } from '../execution/transition.ts'
import { waysTo } from '../execution/ways-to.ts'
import { activeSiteOf } from './active-site.ts'
import { observeDeclared } from './observe-declared.ts'

/**
 * Takes a backup of every component of the active site now, each with the manifest that a restore test is judged
 * against.
 */
export async function backUp(world: World): Promise<BackupReport> {
  const begun = world.clock.now().getTime()
  const observation = await observeDeclared(world)
  const site = activeSiteOf(world.stack, observation)
  const steps = world.stack.components.flatMap(
    (component) =>
      world.drivers[component.driver]?.backup?.(
        component,
        observation.components[component.name] ?? {},
        site,
        world.stack,
      ) ?? [],
  )
  const course: Course = { steps, lock: null, pointOfNoReturn: null, required: null, ofSilentSite: null, lost: null }
  const outcome = await runSteps({
    course,
    from: beginRun(course, { onRecord: new Map(), turnedBack: false, continued: false }),
    intent: null,
    context: world.context,
    clock: world.clock,
    behaviourOf: (step) => performing(world, step),
    proofs: new Map(),
    recorder: {
      intent: async () => undefined,
      result: async () => undefined,
      givenUp: async () => undefined,
      reopened: async () => undefined,
      turnedBack: async () => undefined,
      undone: async () => undefined,
      failed: async (step, _at, error) => world.log.warning(`${step.id}: ${error.message}`),
    },
    progress: progressTo(world.log, world.clock, world.listener),
    waysTo: (step) => waysTo(step, { context: world.context, intent: null, drivers: world.drivers }),
    assertOurs: async () => undefined,
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

/** A backup that a restore test can rest on: throws what failed. */
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
