/**
 * Today's `Driver` out of a driver of the kit: with it drivers are converted one by one while the core still reads the
 * old interface, and the core is converted afterwards in one place.
 */
import type { Observed } from '../../../src/domain/observed.ts'
import { EVERYWHERE } from '../../../src/domain/observed.ts'
import type { Finding, Intent, PlannedStep } from '../../../src/domain/plan.ts'
import type { Component, Stack } from '../../../src/domain/stack.ts'
import { type AnyAction, type DriverStep, idOfStep } from '../../../src/driver/action.ts'
import type { StepRun } from '../../../src/driver/behaviour.ts'
import type { Declares, Plans, SiteDriver, StackDriver, StatesPerSite } from '../../../src/driver/capabilities.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import type { Varies } from '../../../src/driver/varying.ts'
import type { Milliseconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { Behaviour, FlatRun } from './behaviour.ts'
import type { FlatContext } from './context.ts'
import type { FlatDriver } from './driver.ts'

/** The kit's context around today's: made once per context (`WeakMap` goes with the adapter). */
export type Around = (context: FlatContext) => DriverContext

const NONE: Observed<never> = { kind: 'silent', why: 'not observed' }

export function adaptedStackDriver<Spec, State>(
  driver: StackDriver<Spec, State>,
  around: Around,
): FlatDriver<Spec, State> {
  const one = (states: StatesPerSite<State>): Observed<State> => states[EVERYWHERE] ?? NONE
  const { moves, liveness, levels, assess } = driver
  const planned = stepsOf<Spec, State, Observed<State>>(one)
  const adapted: FlatDriver<Spec, State> = {
    ...declared(driver),
    scope: 'stack',
    ...(levels === undefined ? {} : { reaches: () => levels }),
    ...(driver.addresses === undefined ? {} : { addresses: (component) => driver.addresses?.(component) ?? [] }),
    observe: (component, _site, context) => driver.observe(component, around(context)),
    assess(component, states, intent, at) {
      // Nothing is said of a component that was not observed.
      if (states[EVERYWHERE] === undefined) return []
      const ofMode = intent === null ? undefined : assess.moves?.[intent.mode]?.(component, one(states), intent, at)
      return (ofMode ?? assess.status(component, one(states), at)).map(asFinding)
    },
    ...(driver.deploys === undefined
      ? {}
      : {
          deploy: async (component, _site, deployment, context) =>
            (await driver.deploys?.deploy(component, null, deployment, around(context))) ?? [],
        }),
    move: (component, states, intent, stack) =>
      planned(intent.mode === 'failover' ? moves?.failover : moves?.switchover, component, states, intent, stack),
    rejoin: (component, states, intent, stack) => planned(moves?.rejoin, component, states, intent, stack),
    reopen: (component, states, intent, stack) => planned(moves?.reopen, component, states, intent, stack),
    sees: (component, states, site) => liveness?.signals(component, one(states), site) ?? [],
    ...adaptedActions(driver.actions, around),
  }
  return adapted
}

export function adaptedSiteDriver<Spec, State>(
  driver: SiteDriver<Spec, State>,
  around: Around,
): FlatDriver<Spec, State> {
  const same = (states: StatesPerSite<State>): StatesPerSite<State> => states
  const { moves, fences, liveness, losses, assess, deploys, selfFences, backups, database, store } = driver
  const planned = stepsOf<Spec, State, StatesPerSite<State>>(same)
  const adapted: FlatDriver<Spec, State> = {
    ...declared(driver),
    scope: 'site',
    ...(driver.standsOn === null ? { outside: true as const } : { standsOn: driver.standsOn }),
    ...(fences === undefined && selfFences === undefined
      ? {}
      : { reaches: (c, stack) => [...(fences?.levels(c, stack) ?? []), ...(selfFences?.levels(c, stack) ?? [])] }),
    ...(fences === undefined
      ? {}
      : { fence: (c, states, intent, stack) => planned(fences.steps, c, states, intent, stack) }),
    ...(driver.addresses === undefined
      ? {}
      : {
          addresses: (component, site) => (site === null ? [] : (driver.addresses?.(component, site) ?? [])),
        }),
    async observe(component, site, context) {
      return site === null ? NONE : driver.observe(component, site, around(context))
    },
    assess: (component, states, intent, at) =>
      (intent === null
        ? assess.status(component, states, at)
        : (assess.moves?.[intent.mode]?.(component, states, intent, at) ?? assess.status(component, states, at))
      ).map(asFinding),
    move: (component, states, intent, stack) =>
      planned(intent.mode === 'failover' ? moves?.failover : moves?.switchover, component, states, intent, stack),
    rejoin: (component, states, intent, stack) => planned(moves?.rejoin, component, states, intent, stack),
    reopen: (component, states, intent, stack) => planned(moves?.reopen, component, states, intent, stack),
    sees: (component, states, site) => liveness?.signals(component, states, site) ?? [],
    ...(losses === undefined ? {} : { loss: losses.loss }),
    ...(losses?.ahead === undefined
      ? {}
      : { ahead: (c, states, intent) => (losses.ahead?.(c, states, intent) ?? []).map(asFinding) }),
    ...(assess.gaps === undefined ? {} : { gaps: assess.gaps }),
    ...(moves?.keeps === undefined ? {} : { keeps: moves.keeps }),
    ...(moves?.follow === undefined
      ? {}
      : {
          follow: (c, follower, intent, stack) =>
            (moves.follow?.(c, follower, intent, stack) ?? []).map((step) => asPlanned(c, step)),
        }),
    ...(deploys === undefined
      ? {}
      : {
          deploy: async (c, site, deployment, context) =>
            site === null ? [] : deploys.deploy(c, site, deployment, around(context)),
        }),
    ...(selfFences === undefined
      ? {}
      : {
          selfFencing(c, states, intent, stack) {
            const answer = selfFences.selfFencing(c, states, intent, stack)
            return answer.within === null ? answer : { within: answer.within, wait: asPlanned(c, answer.wait) }
          },
        }),
    ...(backups === undefined
      ? {}
      : {
          ...(backups.backup === undefined
            ? {}
            : {
                backup: (c, states, site, stack) =>
                  (backups.backup?.(c, states, site, stack) ?? []).map((step) => asPlanned(c, step)),
              }),
          async restoreTest(c, source, sandbox, context) {
            return backups.restoreTest(c, source, sandbox, around(context))
          },
        }),
    ...(database === undefined ? {} : { sql: (c, at, query, context) => database.sql(c, at, query, around(context)) }),
    ...(store === undefined ? {} : { objectStore: store.objectStore }),
    ...adaptedActions(driver.actions, around),
  }
  return adapted
}

const asFinding = ({ code, ...finding }: Finding): Finding => ({ code, ...finding })

function declared<Spec>(
  driver: Declares<Spec> & { readonly kind: string },
): Pick<FlatDriver<Spec>, 'kind' | (keyof Declares<Spec> & keyof FlatDriver<Spec>)> {
  const { kind, schema, codes, claims, access, files, fileProblems, validate, credentials, brings } = driver
  return {
    kind,
    schema,
    codes,
    claims,
    access,
    ...(files === undefined ? {} : { files }),
    ...(fileProblems === undefined ? {} : { fileProblems }),
    ...(validate === undefined ? {} : { validate }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(brings === undefined ? {} : { brings }),
  }
}

/** What only the core sets is added here: id and component. */
function stepsOf<Spec, State, States>(
  view: (states: StatesPerSite<State>) => States,
): (
  plan: Plans<Spec, States> | undefined,
  component: Component<Spec>,
  states: StatesPerSite<State>,
  intent: Intent,
  stack: Stack,
) => PlannedStep[] {
  return (plan, component, states, intent, stack) =>
    (plan?.(component, view(states), intent, stack) ?? []).map((step) => asPlanned(component, step))
}
/** Steps of a driver that is converted action by action: those of today's form stay as they are. */
export const asPlannedSteps = (
  component: Component<unknown>,
  steps: readonly (PlannedStep | DriverStep)[],
): PlannedStep[] => steps.map((step) => ('id' in step ? step : asPlanned(component, step)))

function asPlanned<Spec>(component: Component<Spec>, { needs, about, ...step }: DriverStep): PlannedStep {
  const id = idOfStep(component, { ...step, about })
  return { id, component: component.name, ...step, needs: needs.map((reference) => reference.id) }
}

/** What is said once per action, as the four tables of today's `Driver`. */
export function adaptedActions<Spec>(
  actions: readonly AnyAction<Spec>[],
  around: Around,
): Pick<FlatDriver<Spec>, 'behaviours' | 'manual' | 'varying' | 'varyingTitles'> {
  const pairs = <T>(of: (action: AnyAction<Spec>) => T | undefined): Record<string, T> =>
    Object.fromEntries(
      actions.flatMap((action): [string, T][] => {
        const one = of(action)
        return one === undefined ? [] : [[action.name, one]]
      }),
    )
  return {
    behaviours: pairs((action) => asBehaviour(action, around)),
    manual: manualOf(actions),
    varying: pairs(({ varies }) => varies as Readonly<Record<string, Varies>> | undefined),
    varyingTitles: pairs(({ titleOf }) => titleOf),
  }
}

const manualOf =
  <Spec>(actions: readonly AnyAction<Spec>[]): NonNullable<FlatDriver<Spec>['manual']> =>
  (component, step, around) => {
    const byHand = actions.find(({ name }) => name === step.action)?.byHand ?? 'none'
    return byHand === 'none'
      ? null
      : byHand.say(component, { ...step, needs: step.needs.map((id) => ({ id })) }, around)
  }

function asBehaviour<Spec>({ behaviour }: AnyAction<Spec>, around: Around): Behaviour<Spec> {
  const memories = new WeakMap<AbortSignal, { value: unknown; set(value: unknown): void }>()
  const kit = (run: FlatRun<Spec>): StepRun<Spec, JsonObject, unknown> => {
    const memory = memories.get(run.signal) ?? {
      value: undefined as unknown,
      set(value: unknown) {
        this.value = value
      },
    }
    memories.set(run.signal, memory)
    const { step, component, intent, signal, begunAt, applied, pastReturn = false } = run
    return {
      step,
      component,
      intent,
      signal,
      begunAt,
      applied,
      pastReturn,
      memory,
      site: step.site,
      context: around(run.context),
      // A proof is what the same action left: its reader is the driver that wrote it.
      proofOf: <P>(reference: { readonly id: string }) => run.proofOf(reference.id) as P | null,
    }
  }
  const { nudge } = behaviour
  const reminder = (of: {
    readonly every: Milliseconds
    send(run: StepRun<Spec, JsonObject, unknown>): Promise<void>
  }) => ({
    every: of.every,
    remind: (run: FlatRun<Spec>) => of.send(kit(run)),
  })
  const changes = {
    ...(behaviour.changes === undefined
      ? {}
      : { changes: (run: FlatRun<Spec>) => behaviour.changes?.(kit(run)) ?? never() }),
    ...(nudge === undefined ? {} : { reminder: reminder(nudge) }),
    ...('back' in behaviour && 'undo' in behaviour.back && behaviour.back.nudge !== undefined
      ? { reminderBack: reminder(behaviour.back.nudge) }
      : {}),
  }
  if (behaviour.is === 'check') return { ...changes, done: async (run) => asProgress(await behaviour.done(kit(run))) }
  if (behaviour.is === 'plain')
    return {
      ...changes,
      done: async (run) => asProgress(await behaviour.done(kit(run))),
      apply: (run) => behaviour.apply(kit(run)),
      ...('undo' in behaviour.back ? plainBack(behaviour.back, kit) : {}),
    }
  const { back } = behaviour
  return {
    ...changes,
    done: async (run) => asProgress(await behaviour.done(kit(run))),
    apply: (run) => behaviour.apply(kit(run), run.restsOn ?? {}),
    touch: (run) => behaviour.invalidate(kit(run)),
    ...('undo' in back
      ? {
          undo: (run: FlatRun<Spec>) => back.undo(kit(run), run.restsOn ?? {}),
          undone: async (run: FlatRun<Spec>) => asProgress(await back.undone(kit(run))),
        }
      : {}),
  }
}
const plainBack = <Spec>(
  back: {
    undo(run: StepRun<Spec, JsonObject, unknown>): Promise<void>
    undone(run: StepRun<Spec, JsonObject, unknown>): Promise<SeenAny>
  },
  kit: (run: FlatRun<Spec>) => StepRun<Spec, JsonObject, unknown>,
): Pick<Behaviour<Spec>, 'undo' | 'undone'> => ({
  undo: (run) => back.undo(kit(run)),
  undone: async (run) => asProgress(await back.undone(kit(run))),
})
type SeenAny = Awaited<ReturnType<AnyAction<unknown>['behaviour']['done']>>
async function* never(): AsyncIterable<unknown> {}

function asProgress(seen: SeenAny): Awaited<ReturnType<Behaviour['done']>> {
  if (seen.is === 'done') return { is: 'done', proof: seen.proof as unknown as JsonObject }
  if (seen.is !== 'pending') return seen
  const { due, revertedBy, ...rest } = seen
  return {
    ...rest,
    ...(due === undefined ? {} : { restsOn: due }),
    ...(revertedBy === undefined ? {} : { takenBackBy: revertedBy }),
  }
}
