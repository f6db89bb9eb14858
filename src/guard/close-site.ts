import type { Observed } from '../domain/observed.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { Component, SiteName, Stack } from '../domain/stack.ts'
import { behaviourOf, fenceStepsOf, observeComponent } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { proofsIn } from '../execution/bounded-performer.ts'
import { type PerformedRun, stepPerformer } from '../execution/perform-step.ts'
import { closedByGuard } from '../planning/fence-coverage.ts'
import type { Reached } from '../platform/platform.ts'
import { readableDuration } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { deadlineAfter } from '../waiting/deadline.ts'
import { LOOK_DEADLINE, STEP_DEADLINE } from './closing-time.ts'

/** What the closing of one site needs. */
export interface Door {
  readonly stack: Stack
  readonly site: SiteName
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  /** The component of the guard itself, where the stack may have several. */
  readonly guard?: Component
  /** Who answers on the platform that the guard closes. */
  readonly identify: Reached['identify']
}

export interface Closing {
  /** What holds now: ids of steps, or of units on a machine. */
  readonly closed: readonly string[]
  /** Those among them that were open until now. */
  readonly effects: readonly string[]
  readonly open: readonly { readonly what: string; readonly why: string }[]
}
const NOTHING: Closing = { closed: [], effects: [], open: [] }

/**
 * Closes the components that the guard reaches in the site: the fences of the drivers on its platform, by their own
 * behaviours. Passive components are not changed, so a rejoin and a regular passive site see no write from the guard.
 * `mayClose` is asked after the observation and before each effect: a component that was seen open must not have been
 * promoted meanwhile.
 */
export async function closeSite(door: Door, activeSite: SiteName, mayClose: () => Promise<boolean>): Promise<Closing> {
  const { stack, site, drivers, context } = door
  const { isDeclared, found, declared } = await door.identify(context.signal)
  if (!isDeclared) return { ...NOTHING, open: [{ what: site, why: `this is ${found}, and ${site} is ${declared}` }] }

  const intent: Intent = { mode: 'failover', from: site, to: activeSite }
  const isClosed = closedByGuard(stack, drivers, door.guard)
  const guarded = stack.components.filter(isClosed)
  const seen = await Promise.all(guarded.map(async (component) => ({ component, state: await look(door, component) })))
  if (!(await mayClose())) return NOTHING
  // A component that cannot be observed may be a regular passive one: a fence would break it without a reason.
  const unseen = seen.flatMap(({ component, state }) =>
    state.kind === 'silent' ? [{ what: component.name, why: `it cannot be observed: ${state.why}` }] : [],
  )
  const steps = seen.flatMap(({ component, state }) => {
    if (state.kind !== 'answering' || state.role === 'passive') return []
    const planned = fenceStepsOf(drivers[component.driver], component, { [site]: state }, intent, stack)
    return planned.filter((step) => step.site === site).map((step) => ({ component, step }))
  })
  // In parallel, regardless of the declared needs: a fence that hangs must not keep the next one from closing.
  const proofs = new Map<string, JsonObject>()
  const results = await Promise.all(
    steps.map(({ component, step }) => close(door, component, step, intent, proofs, mayClose)),
  )
  return {
    closed: results.flatMap((result) => (result.why === null ? [result.what] : [])),
    effects: results.flatMap((result) => (result.why === null && result.applied ? [result.what] : [])),
    open: [...unseen, ...results.flatMap(({ what, why }) => (why === null ? [] : [{ what, why }]))],
  }
}

async function look(door: Door, component: Component): Promise<Observed> {
  const signal = AbortSignal.any([door.context.signal, AbortSignal.timeout(LOOK_DEADLINE)])
  const late = new Promise<Observed>((resolve) => {
    const why = `no answer within ${readableDuration(LOOK_DEADLINE)}`
    signal.addEventListener('abort', () => resolve({ kind: 'silent', why }), { once: true })
  })
  const driver = door.drivers[component.driver]
  const answer =
    driver === undefined ? undefined : observeComponent(driver, component, door.site, { ...door.context, signal })
  const caught = Promise.resolve(answer).catch(
    (error: unknown): Observed => ({ kind: 'silent', why: asStandbyError(error).message }),
  )
  return (await Promise.race([caught, late])) ?? { kind: 'silent', why: 'it has no driver' }
}

interface Closed {
  readonly what: string
  /** Why it is still open; null: it is closed. */
  readonly why: string | null
  readonly applied: boolean
}

/** Performs one step to its proof; a failure is a value, because the next round tries again. */
async function close(
  door: Door,
  component: Component,
  step: PlannedStep,
  intent: Intent,
  proofs: Map<string, JsonObject>,
  mayClose: () => Promise<boolean>,
): Promise<Closed> {
  const { context } = door
  const behaviour = behaviourOf(door.drivers[component.driver], step.action)
  if (behaviour === undefined)
    return { what: step.id, why: `${component.driver} has no behaviour ${step.action}`, applied: false }
  const deadline = deadlineAfter(Math.min(step.deadline, STEP_DEADLINE))
  const signal = AbortSignal.any([context.signal, deadline.signal])
  const run: PerformedRun = {
    step,
    site: step.site,
    component,
    intent,
    context: { ...context, signal },
    signal,
    begunAt: context.clock.now().toISOString(),
    applied: false,
    pastReturn: false,
    proofOf: proofsIn(proofs),
  }
  const waiting = (what: string): void => context.log.debug(`${step.id}: waiting for ${what}`)
  const assertOurs = async (): Promise<void> => {
    if (!(await mayClose())) throw siteError('lock-lost', 'the site must not be closed any more')
  }
  const performer = stepPerformer(behaviour, run, {
    clock: context.clock,
    signal: context.signal,
    deadline,
    waiting,
    assertOurs,
  })
  try {
    const first = await performer.look(false)
    if (first.is !== 'done') {
      if (!(await mayClose())) return { what: step.id, why: 'the site must not be closed any more', applied: false }
      context.log.info(`closing: ${step.title}`)
      await performer.apply()
    }
    proofs.set(step.id, first.is === 'done' ? first.proof : await performer.wait())
    return { what: step.id, why: null, applied: first.is !== 'done' }
  } catch (error) {
    return { what: step.id, why: asStandbyError(error).message, applied: false }
  } finally {
    performer.close()
  }
}
