import type { Clock, Driver, DriverContext, StepRun } from '../planning/driver.ts'
import type { Intent, Plan, PlannedStep } from '../planning/plan.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { type JournalEntry, openJournal, stepsOnRecord, turnedBack } from './journal.ts'
import type { OnRecord } from './transition.ts'
import { contextOfStep } from './without-lost-site.ts'

/** Who takes over, and what it may reach. */
export interface TakeOver {
  readonly store: ConditionalStore
  readonly run: string
  readonly plan: Plan
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
}

/** A run as its processes left it. */
interface Left {
  readonly plan: Plan
  readonly entries: readonly JournalEntry[]
}

/**
 * Touches every object that an earlier process of a run may still change: from then on its effects, on their way or not yet sent, rest on an
 * old version, and are refused. Holds because that process saw the version before it looked at the lock, and the lock is ours by now.
 * Throws what kept an object from being touched; may be repeated.
 */
export async function touchWhatWasLeft(by: TakeOver, own: readonly JournalEntry[], run: string, signal: AbortSignal): Promise<void> {
  const left = run === by.run ? { plan: by.plan, entries: own } : await unfinished(by.store, run)
  if (left === null) return
  const steps = mayStillChange(left.plan.steps, stepsOnRecord(left.entries), turnedBack(left.entries))
  const { mode, from } = by.plan.intent
  // A failover waits for nothing of the lost site. What may still arrive there is a fence, or the end of one: that is its guard's business.
  const reached = steps.filter(({ site }) => mode !== 'failover' || site !== from)
  await Promise.all(reached.map((step) => touch(by, left.plan.intent, step, signal)))
}

/** What another run left; null when it has ended, or when its name is that of a deploy. */
async function unfinished(store: ConditionalStore, run: string): Promise<Left | null> {
  const last = (await store.list(`runs/${run}/journal/`)).at(-1)
  const entry = last === undefined ? undefined : ((await store.get(last))?.body.entry as unknown as JournalEntry | undefined)
  if (entry === undefined || (entry.kind === 'ended' && entry.verdict !== 'stopped')) return null
  const plan = await store.get(`runs/${run}/plan.json`)
  return plan === null ? null : { plan: plan.body as unknown as Plan, entries: (await openJournal(store, run)).entries }
}

/**
 * The steps that a process of the run may be amid, wherever it sleeps. Going forward it writes an intent before each effect and a result
 * before it goes on, and can write neither once its run is continued: what is left are the intents without a result. Going back it writes
 * down only what is done, so it may be at anything that was begun and is not taken back. Pure.
 */
export function mayStillChange(steps: readonly PlannedStep[], onRecord: ReadonlyMap<string, OnRecord>, goingBack: boolean): PlannedStep[] {
  return steps.filter(({ id }) => {
    const recorded = onRecord.get(id)
    return recorded === 'intent' || (goingBack && recorded === 'done')
  })
}

async function touch(by: TakeOver, intent: Intent, step: PlannedStep, signal: AbortSignal): Promise<void> {
  // The core's own steps have no component: the records that they change name who may change them.
  const component = by.context.stack.components.find(({ name }) => name === step.component)
  const behaviour = component === undefined ? undefined : by.drivers[component.driver]?.behaviours[step.action]
  if (component === undefined || behaviour?.touch === undefined) return
  const run: StepRun = {
    step,
    component,
    intent,
    context: { ...contextOfStep(by.context, by.plan.intent, step), signal },
    signal,
    begunAt: by.clock.now().toISOString(),
    applied: false,
    proofOf: () => null,
  }
  await behaviour.touch(run)
  by.context.log.debug(`${step.id}: what an earlier process may still send comes too late`)
}
