/** Drivers and behaviours of the kit out of flat ones: the core reads the kit alone. */
import { type BySite, EVERYWHERE, type Observed } from '../../../src/domain/observed.ts'
import type { Finding, Intent, PlannedStep } from '../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { AnyAction, DriverStep } from '../../../src/driver/action.ts'
import type { Assessment } from '../../../src/driver/assessment.ts'
import type { Assesses, Driver, Moves, Plans, SeesLiveness } from '../../../src/driver/capabilities.ts'
import { declareCodes } from '../../../src/driver/codes.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { Deployment } from '../../../src/driver/deployment.ts'
import type { EngineBehaviour, EngineRun, SeenByEngine } from '../../../src/driver/engine.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { Behaviour, FlatProgress, FlatRun } from './behaviour.ts'
import type { FlatDriver } from './driver.ts'

/** What a driver of the whole stack is asked with when nothing was observed of it. */
const NOT_OBSERVED: Observed<never> = { kind: 'silent', why: 'not observed' }

/** A driver of the kit out of a flat one. A test may change its behaviours afterwards: they are read anew each time. */
export function liftedDriver(old: FlatDriver): Driver {
  const { kind, schema, claims, access, files, fileProblems, validate, credentials, brings } = old
  const declared = {
    kind,
    schema,
    codes: old.codes ?? { ...declareCodes(kind, {}) },
    claims,
    access,
    ...(files === undefined ? {} : { files }),
    ...(fileProblems === undefined ? {} : { fileProblems }),
    ...(validate === undefined ? {} : { validate }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(brings === undefined ? {} : { brings }),
  }
  if (old.scope === 'stack') {
    const bySite = (seen: Observed): BySite => (seen === NOT_OBSERVED ? {} : { [EVERYWHERE]: seen })
    return {
      ...declared,
      ...overStates<Observed>(old, bySite),
      scope: 'stack',
      get actions() {
        return liftedActions(old)
      },
      ...(old.addresses === undefined
        ? {}
        : { addresses: (component: Component) => old.addresses?.(component, null) ?? [] }),
      observe: (component, context) => old.observe(component, null, context),
      ...(old.reaches === undefined ? {} : { levels: old.reaches({} as Component, {} as Stack) }),
      ...(old.deploy === undefined
        ? {}
        : {
            deploys: {
              deploy: async (component: Component, _: null, deployment: Deployment, context: DriverContext) =>
                (await old.deploy?.(component, null, deployment, context)) ?? [],
            },
          }),
    }
  }
  // One that does not declare its levels may be a database.
  const levels = (component: Component, stack: Stack) => old.reaches?.(component, stack) ?? (['database'] as const)
  return {
    ...declared,
    ...overStates<BySite>(old, (states) => states),
    scope: 'site',
    get actions() {
      return liftedActions(old)
    },
    standsOn: old.outside === true ? null : (old.standsOn ?? 'kubernetes'),
    ...(old.addresses === undefined ? {} : { addresses: (component, site) => old.addresses?.(component, site) ?? [] }),
    observe: (component, site, context) => old.observe(component, site, context),
    ...(old.deploy === undefined
      ? {}
      : {
          deploys: {
            deploy: async (component: Component, site: SiteName, deployment: Deployment, context: DriverContext) =>
              (await old.deploy?.(component, site, deployment, context)) ?? [],
          },
        }),
    ...(old.fence === undefined ? {} : { fences: { levels, steps: liftedPlan(old.fence, (states) => states) } }),
    ...(old.selfFencing === undefined
      ? {}
      : {
          selfFences: {
            levels: old.fence === undefined ? levels : () => [],
            selfFencing(component, states, intent, stack) {
              const answer = old.selfFencing?.(component, states, intent, stack)
              if (answer === undefined) throw new Error(`${kind} has no self-fencing any more`)
              return answer.within === null ? answer : { within: answer.within, wait: liftedStep(answer.wait) }
            },
          },
        }),
    ...(old.loss === undefined && old.ahead === undefined
      ? {}
      : {
          losses: {
            loss: (component, states, intent, now) => old.loss?.(component, states, intent, now) ?? null,
            ahead: (component, states, intent) => old.ahead?.(component, states, intent) ?? [],
          },
        }),
    ...(old.restoreTest === undefined && old.backup === undefined
      ? {}
      : {
          backups: {
            backup: (component, states, site, stack) =>
              (old.backup?.(component, states, site, stack) ?? []).map(liftedStep),
            async restoreTest(component, source, sandbox, context) {
              const report = await old.restoreTest?.(component, source, sandbox, context)
              if (report === undefined) throw new Error(`${kind} tests no backup any more`)
              return report
            },
          },
        }),
    ...(old.sql === undefined
      ? {}
      : {
          database: {
            sql: async (component, at, query, context) => (await old.sql?.(component, at, query, context)) ?? [],
          },
        }),
    ...(old.objectStore === undefined ? {} : { store: { objectStore: old.objectStore } }),
  }
}

function overStates<States>(old: FlatDriver, bySite: (states: States) => BySite) {
  const asked = (component: Component, states: States, intent: Intent | null, assessment: Assessment): Finding[] =>
    old.assess(component, bySite(states), intent, assessment)
  const ofMode = (component: Component, states: States, intent: Intent, assessment: Assessment): Finding[] =>
    asked(component, states, intent, assessment)
  const assess: Assesses<JsonObject, States> = {
    status: (component, states, assessment) => asked(component, states, null, assessment),
    moves: { switchover: ofMode, failover: ofMode, rejoin: ofMode, reopen: ofMode },
    ...(old.gaps === undefined
      ? {}
      : { gaps: (component, states, active, now) => old.gaps?.(component, bySite(states), active, now) ?? {} }),
  }
  const moves: Moves<JsonObject, States> = {
    switchover: liftedPlan(old.move, bySite),
    failover: liftedPlan(old.move, bySite),
    rejoin: liftedPlan(old.rejoin, bySite),
    reopen: liftedPlan(old.reopen, bySite),
    follow: (component, follower, intent, stack) =>
      (old.follow?.(component, follower, intent, stack) ?? []).map(liftedStep),
    keeps: (component, intent) => old.keeps?.(component, intent) ?? null,
  }
  const liveness: SeesLiveness<JsonObject, States> = {
    signals: (component, states, site) => old.sees?.(component, bySite(states), site) ?? [],
  }
  return { assess, moves, liveness }
}

const liftedPlan =
  <States>(plan: FlatDriver['move'], bySite: (states: States) => BySite): Plans<JsonObject, States> =>
  (component, states, intent, stack) =>
    (plan?.(component, bySite(states), intent, stack) ?? []).map(liftedStep)

/** Its id stays with it, and comes back when the core plans it. */
const liftedStep = ({ needs, ...step }: PlannedStep): DriverStep => ({ ...step, needs: needs.map((id) => ({ id })) })

const liftedActions = (old: FlatDriver): AnyAction<JsonObject>[] =>
  Object.entries(old.behaviours).map(([name, behaviour]): AnyAction<JsonObject> => {
    const [varies, titleOf] = [old.varying?.[name], old.varyingTitles?.[name]]
    return {
      name,
      parameters: {},
      behaviour: liftedBehaviour(behaviour),
      byHand: {
        say: (component, step, surroundings) =>
          old.manual?.(
            component,
            { ...step, needs: step.needs.map(({ id }) => id) } as unknown as PlannedStep,
            surroundings,
          ) ?? null,
      },
      ...(varies === undefined ? {} : { varies }),
      ...(titleOf === undefined ? {} : { titleOf }),
    }
  })

export function liftedBehaviour(old: Behaviour): EngineBehaviour {
  const common = {
    done: async (run: EngineRun) => asSeen(await old.done(loweredRun(run))),
    ...(old.changes === undefined
      ? {}
      : { changes: (run: EngineRun) => old.changes?.(loweredRun(run)) ?? noChanges() }),
    ...(old.nudge === undefined ? {} : { nudge: nudgeOf(old.nudge) }),
  }
  const { apply, undo, undone, invalidate, nudgeBack } = old
  // What is due never reaches the engine of a behaviour without versions: it asks for it nowhere.
  if (apply === undefined) return { is: 'check', ...common } as EngineBehaviour
  const back =
    undo === undefined
      ? ({ is: 'irreversible' } as const)
      : {
          undo: (run: EngineRun, precondition?: JsonObject) => undo(loweredRun(run, precondition)),
          undone: async (run: EngineRun) => asSeen((await undone?.(loweredRun(run))) ?? { is: 'done', proof: {} }),
          ...(nudgeBack === undefined ? {} : { nudge: nudgeOf(nudgeBack) }),
        }
  if (invalidate === undefined)
    return { is: 'plain', ...common, apply: (run: EngineRun) => apply(loweredRun(run)), back } as EngineBehaviour
  return {
    is: 'versioned',
    ...common,
    apply: (run, precondition) => apply(loweredRun(run, precondition)),
    invalidate: (run) => invalidate(loweredRun(run)),
    back,
  }
}

const nudgeOf = ({ every, send }: NonNullable<Behaviour['nudge']>) => ({
  every,
  send: (run: EngineRun) => send(loweredRun(run)),
})

async function* noChanges(): AsyncIterable<unknown> {}

function loweredRun(
  { step, context, proofOf, memory: _, site: __, ...run }: EngineRun,
  precondition?: JsonObject,
): FlatRun {
  return {
    ...run,
    // The engine passes whole steps.
    step: step as unknown as PlannedStep,
    context: context,
    proofOf: (id) => proofOf({ id }) as JsonObject | null,
    ...(precondition === undefined ? {} : { precondition }),
  }
}

/** The two say the same; the type of a proof is erased. */
const asSeen = (progress: FlatProgress): SeenByEngine => progress as SeenByEngine
