/** The flat face of a driver of the kit, as older tests ask it: each question goes the way of the core. */
import type { Observed } from '../../../src/domain/observed.ts'
import type { Intent, Mode } from '../../../src/domain/plan.ts'
import type { Component } from '../../../src/domain/stack.ts'
import type { AnyAction } from '../../../src/driver/action.ts'
import {
  addressesOf,
  backupStepsOf,
  byHandOf,
  componentFindings,
  componentLoss,
  componentSelfFencing,
  deployUnitsOf,
  fenceStepsOf,
  followersAhead,
  followStepsOf,
  livenessSignalsOf,
  moveStepsOf,
  observeComponent,
  restoreTestOf,
} from '../../../src/driver/ask.ts'
import type { StepRun } from '../../../src/driver/behaviour.ts'
import type { Driver, SiteDriver, StackDriver } from '../../../src/driver/capabilities.ts'
import type { Varies } from '../../../src/driver/varying.ts'
import type { Milliseconds } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { around } from './around.ts'
import type { Behaviour, FlatRun } from './behaviour.ts'
import type { FlatDriver } from './driver.ts'

export function flatFaceOf<Spec, State>(
  kit: SiteDriver<Spec, State> | StackDriver<Spec, State>,
): FlatDriver<Spec, State> {
  // As the registry has it: its specification and its states are known to itself alone.
  const driver = kit as unknown as Driver
  const plain = (component: Component<Spec>): Component => component as unknown as Component
  const planned =
    (mode: (intent: Intent) => Mode): NonNullable<FlatDriver<Spec, State>['move']> =>
    (component, states, intent, stack) =>
      moveStepsOf(driver, plain(component), states, { ...intent, mode: mode(intent) }, stack)
  const { kind, scope, schema, codes, claims, access, validate } = kit
  return {
    ...{ kind, scope, schema, codes, claims, access },
    ...(validate === undefined ? {} : { validate }),
    observe: async (component, site, context) =>
      (await observeComponent(driver, plain(component), site, around(context))) as Observed<State>,
    addresses: (component, site) => addressesOf(driver, plain(component), site),
    assess: (component, states, intent, at) => componentFindings(driver, plain(component), states, intent, at),
    move: planned(({ mode }) => (mode === 'failover' ? mode : 'switchover')),
    rejoin: planned(() => 'rejoin'),
    reopen: planned(() => 'reopen'),
    fence: (component, states, intent, stack) => fenceStepsOf(driver, plain(component), states, intent, stack),
    follow: (component, follower, intent, stack) => followStepsOf(driver, plain(component), follower, intent, stack),
    sees: (component, states, site) => livenessSignalsOf(driver, plain(component), states, site),
    loss: (component, states, intent, now) => componentLoss(driver, plain(component), states, intent, now),
    ahead: (component, states, intent) => followersAhead(driver, plain(component), states, intent),
    selfFencing: (component, states, intent, stack) =>
      componentSelfFencing(driver, plain(component), states, intent, stack) ?? missing(kind, 'self-fencing'),
    deploy: (component, site, deployment, context) =>
      deployUnitsOf(driver, plain(component), site, deployment, around(context)),
    backup: (component, states, site, stack) => backupStepsOf(driver, plain(component), states, site, stack),
    restoreTest: async (component, source, sandbox, context) =>
      (await restoreTestOf(driver, plain(component), source, sandbox, around(context))) ??
      missing(kind, 'restore test'),
    manual: (component, step, surroundings) => byHandOf(driver, plain(component), step, surroundings),
    ...('store' in kit && kit.store !== undefined ? { objectStore: kit.store.objectStore } : {}),
    ...ofActions(kit.actions),
  }
}

const missing = (kind: string, what: string): never => {
  throw new Error(`the driver ${kind} has no ${what}`)
}

/** What is said once per action, in tables by its name. */
function ofActions<Spec>(
  actions: readonly AnyAction<Spec>[],
): Pick<FlatDriver<Spec>, 'behaviours' | 'varying' | 'varyingTitles'> {
  const byName = <T>(of: (action: AnyAction<Spec>) => T | undefined): Record<string, T> =>
    Object.fromEntries(
      actions.flatMap((action): [string, T][] => {
        const one = of(action)
        return one === undefined ? [] : [[action.name, one]]
      }),
    )
  return {
    behaviours: byName(flatBehaviourOf),
    varying: byName(({ varies }) => varies as Readonly<Record<string, Varies>> | undefined),
    varyingTitles: byName(({ titleOf }) => titleOf),
  }
}

export function flatBehaviourOf<Spec>({ behaviour }: AnyAction<Spec>): Behaviour<Spec> {
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
  type Nudge = { readonly every: Milliseconds; send(run: StepRun<Spec, JsonObject, unknown>): Promise<void> }
  const flat = ({ every, send }: Nudge): NonNullable<Behaviour<Spec>['nudge']> => ({
    every,
    send: (run) => send(kit(run)),
  })
  const { nudge, changes } = behaviour
  const common: Behaviour<Spec> = {
    done: async (run) => asProgress(await behaviour.done(kit(run))),
    ...(changes === undefined ? {} : { changes: (run) => changes(kit(run)) }),
    ...(nudge === undefined ? {} : { nudge: flat(nudge) }),
  }
  if (behaviour.is === 'check') return common
  const { back } = behaviour
  const nudgeBack = 'undo' in back && back.nudge !== undefined ? { nudgeBack: flat(back.nudge) } : {}
  if (behaviour.is === 'plain')
    return {
      ...common,
      ...nudgeBack,
      apply: (run) => behaviour.apply(kit(run)),
      ...('undo' in behaviour.back ? plainBack(behaviour.back, kit) : {}),
    }
  return {
    ...common,
    ...nudgeBack,
    apply: (run) => behaviour.apply(kit(run), run.precondition ?? {}),
    invalidate: (run) => behaviour.invalidate(kit(run)),
    ...('undo' in behaviour.back ? versionedBack(behaviour.back, kit) : {}),
  }
}

type SeenAny = Awaited<ReturnType<AnyAction<unknown>['behaviour']['done']>>
/** A proof is data, as the journal has it. */
const asProgress = (seen: SeenAny): Awaited<ReturnType<Behaviour['done']>> =>
  seen as unknown as Awaited<ReturnType<Behaviour['done']>>

type Kit<Spec> = (run: FlatRun<Spec>) => StepRun<Spec, JsonObject, unknown>
const plainBack = <Spec>(
  back: {
    undo(run: StepRun<Spec, JsonObject, unknown>): Promise<void>
    undone(run: StepRun<Spec, JsonObject, unknown>): Promise<SeenAny>
  },
  kit: Kit<Spec>,
): Pick<Behaviour<Spec>, 'undo' | 'undone'> => ({
  undo: (run) => back.undo(kit(run)),
  undone: async (run) => asProgress(await back.undone(kit(run))),
})
const versionedBack = <Spec>(
  back: {
    undo(run: StepRun<Spec, JsonObject, unknown>, precondition: JsonObject): Promise<void>
    undone(run: StepRun<Spec, JsonObject, unknown>): Promise<SeenAny>
  },
  kit: Kit<Spec>,
): Pick<Behaviour<Spec>, 'undo' | 'undone'> => ({
  undo: (run) => back.undo(kit(run), run.precondition ?? {}),
  undone: async (run) => asProgress(await back.undone(kit(run))),
})
