import type { PlannedStep, StepId } from '../domain/plan.ts'
import type { SiteName } from '../domain/stack.ts'
import type { Plain } from '../driver/behaviour.ts'
import type { Change, DeployUnit } from '../driver/deployment.ts'
import type { Proof } from '../driver/proofs.ts'
import type { Progress, ProgressEvent } from '../execution/progress.ts'
import type { PlacedUnit } from '../planning/order-units.ts'
import { WITNESS } from '../planning/witness-steps.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { minutes } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { createActive, readActive } from '../witness/active.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'

/** Names the first active site, before the first unit of a first deploy. */
export const BEGIN_STEP: StepId = `${WITNESS}.begin`

/**
 * A deploy as a graph of steps: one per unit, ordered only by `needs`. In the first deploy, the step that names the
 * first active site comes before all of them. Pure.
 */
export function deploySteps(
  placed: readonly PlacedUnit[],
  needs: ReadonlyMap<string, ReadonlySet<string>>,
  firstActive: SiteName | null,
): PlannedStep[] {
  const common = { phase: 'PREPARE', irreversible: false, expected: 0, parameters: {} } as const
  const first = firstActive === null ? [] : [BEGIN_STEP]
  const units = placed.map(
    ({ component, unit }): PlannedStep => ({
      ...common,
      id: unit.id,
      component,
      action: 'deploy',
      site: unit.site,
      needs: [...first, ...(needs.get(unit.id) ?? [])],
      deadline: unit.deadline,
      title: unit.title,
    }),
  )
  if (firstActive === null) return units
  const begin: PlannedStep = {
    ...common,
    id: BEGIN_STEP,
    component: WITNESS,
    action: 'begin',
    site: null,
    needs: [],
    deadline: minutes(5),
    title: `Names ${firstActive} as the first active site`,
  }
  return [begin, ...units]
}

/** No step of a deploy is taken back: the next deploy begins with the state that it finds. */
type DeployBehaviour = Plain<JsonObject, JsonObject, Proof & JsonObject, unknown>
const ONLY_FORWARD = { is: 'leaves-nothing', because: 'the next deploy compares again' } as const

/** One unit during a deploy. */
export interface UnitAtWork {
  readonly behaviour: DeployBehaviour
  /** The differences that this run found; empty before the comparison. */
  changes(): readonly Change[]
  /** Whether its effect was begun. */
  begun(): boolean
}

export interface AroundUnit {
  /** Whether it differed before the deploy began. Then the step waits for its end, even if nothing differs any more. */
  readonly differed: boolean
  readonly log: Log
  /** Throws unless this process still holds the lock. */
  readonly stillOurs: () => Promise<void>
}

/**
 * A unit as a step. It is compared again right before it is applied, because an earlier unit may have removed all
 * differences; a unit without differences is not changed. After its effect the step waits for it and does not compare
 * again.
 */
export function unitAtWork(unit: DeployUnit, { differed, log, stillOurs }: AroundUnit): UnitAtWork {
  let compared: readonly Change[] | null = null
  let begun = false
  const compare = async (signal: AbortSignal): Promise<readonly Change[]> => {
    const changes = await unit.diff(signal)
    // Another attempt compares again, and the changes of an earlier attempt belong to the report.
    if (compared === null || compared.length === 0) compared = changes
    return changes
  }
  const behaviour: DeployBehaviour = {
    is: 'plain',
    async done({ signal, applied }) {
      if (!applied) {
        const changes = await compare(signal)
        if (changes.length > 0) return { is: 'pending', waitingFor: `${changes.length} changes` }
        if (!differed && !begun) return { is: 'done', proof: {} }
      }
      const ready = await unit.ready(signal)
      return ready.is === 'done' ? { is: 'done', proof: { ...ready.proof, changes: named(compared ?? []) } } : ready
    },
    async apply({ signal }) {
      // A comparison that failed with a transient error is repeated here, before anything is changed.
      if (compared === null && (await compare(signal)).length > 0) await stillOurs()
      if (compared === null || compared.length === 0) return
      if (!begun) log.info(`${unit.id}: ${unit.title}`)
      begun = true
      await unit.apply(signal)
    },
    back: ONLY_FORWARD,
  }
  return { behaviour, changes: () => compared ?? [], begun: () => begun }
}

/** For the journal: the changed fields, without their values. */
const named = (
  changes: readonly Change[],
): { readonly kind: string; readonly object: string; readonly path?: string }[] =>
  changes.map(({ kind, object, path }) => ({ kind, object, ...(path === undefined ? {} : { path }) }))

interface FirstActive {
  readonly stack: string
  readonly run: string
  readonly activeSite: SiteName
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
}

/** The behaviour of {@link BEGIN_STEP}. */
export function beginBehaviour(
  store: ConditionalStore,
  { stack, run, activeSite, clock, log }: FirstActive,
): DeployBehaviour {
  return {
    is: 'plain',
    async done() {
      const active = (await readActive(store))?.record
      if (active === undefined) return { is: 'pending', waitingFor: 'the witness to name the first active site' }
      if (active.run === run) return { is: 'done', proof: { activeSite: active.activeSite, epoch: active.epoch } }
      const why = `${active.run} has named ${active.activeSite} as the first active site meanwhile`
      return { is: 'failed', code: 'witness-conflict', why, next: 'Run standby deploy again.' }
    },
    async apply() {
      log.info(`${BEGIN_STEP}: names ${activeSite} as the first active site`)
      const since = clock.now().toISOString()
      await createActive(store, { schemaVersion: 1, stack, epoch: 1, activeSite, since, run })
    },
    back: ONLY_FORWARD,
  }
}

/**
 * One line per unit that is changed or waited for. All units are in one phase, so no line names it; a unit without
 * differences has no line.
 */
export function progressOfUnits(
  log: Log,
  clock: Pick<Clock, 'now'>,
  listener: (event: ProgressEvent) => void,
): Progress {
  return {
    begun: ({ id, title, expected }, at) => listener({ kind: 'step-begun', at, id, title, expected }),
    waiting({ id }, waitingFor) {
      listener({ kind: 'step-waiting', at: clock.now().toISOString(), id, waitingFor })
      log.info(`${id}: waiting for ${waitingFor}`)
    },
    ended: ({ id }, outcome, duration) =>
      listener({ kind: 'step-ended', at: clock.now().toISOString(), id, outcome, duration }),
  }
}
