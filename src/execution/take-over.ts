import { asDriversKnow, type Intent, leavesLostSite, type Plan, type PlannedStep } from '../domain/plan.ts'
import { behaviourOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import type { EngineRun } from '../driver/engine.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { planDocument } from '../witness/documents.ts'
import { type JournalEntry, type OnRecord, openJournal, stepsOnRecord, turnedBack } from '../witness/journal.ts'
import { isName, planKey } from '../witness/keys.ts'
import { readDocument } from '../witness/read-document.ts'
import { missingInJournal, saidOfRun } from './cut-short.ts'
import { contextOfStep } from './isolate-lost-site.ts'
import { stepMemory } from './step-memory.ts'

/** The process that takes over, and what it can reach. */
export interface TakeOver {
  readonly store: ConditionalStore
  readonly run: string
  readonly plan: Plan
  readonly drivers: Readonly<Record<string, Driver>>
  readonly context: DriverContext
  readonly clock: Clock
}

/** What the processes of a run may still change. */
interface Left {
  readonly intent: Intent
  readonly steps: readonly PlannedStep[]
}

/**
 * Invalidates every object that an earlier process of a run may still change: its effects, in flight or not yet sent,
 * then fail their precondition. That process read the version before it asserted the lock, and the lock is ours by now.
 * Throws what prevented an invalidation; may be repeated.
 */
export async function invalidateWhatWasLeft(
  by: TakeOver,
  own: readonly JournalEntry[],
  run: string,
  signal: AbortSignal,
): Promise<void> {
  const left = run === by.run ? leftBy(by.plan, own) : await unfinished(by.store, run)
  if (left === null) return
  const { from, to } = by.plan.intent
  const leavesLost = leavesLostSite(by.plan.intent)
  // A failover waits for nothing of the lost site. What may still arrive there is a fence or its way back: the guard of
  // that site handles it.
  const reached = left.steps.filter(({ site }) => !leavesLost || site !== from)
  await Promise.all(
    reached.map(async (step) => {
      try {
        await invalidate(by, left.intent, step, signal)
      } catch (error) {
        // What may still arrive on a third site says which site it follows, and makes no site a writer: its silence
        // delays no move.
        const third = step.site !== null && step.site !== from && step.site !== to
        if (!third || signal.aborted || asStandbyError(error).retry === 'never') throw error
        by.context.log.warning(
          `${step.id}: ${step.site} is silent, and what an earlier process has sent there may still arrive`,
        )
      }
    }),
  )
}

const leftBy = (plan: Plan, entries: readonly JournalEntry[]): Left => ({
  intent: plan.intent,
  steps: mayStillChange(plan.steps, stepsOnRecord(entries), turnedBack(entries)),
})

/**
 * The unfinished steps of another run; null when it has ended, or when its name is that of a deploy or of a person. If
 * its journal is damaged, or its newest entries are gone, it may be amid any of its steps. Throws `witness-damaged`
 * where its plan is damaged too.
 */
async function unfinished(store: ConditionalStore, run: string): Promise<Left | null> {
  if (!isName(run)) return null
  const said = await saidOfRun(store)
  const entries = await openJournal(store, run).then(
    (journal) => journal.entries,
    (error: unknown) => {
      if (asStandbyError(error).code !== 'witness-damaged') throw error
      return null
    },
  )
  const last = entries?.at(-1)
  if (last?.kind === 'ended' && last.verdict !== 'stopped') return null
  const plan = (await readDocument(store, planDocument, planKey(run)))?.record
  if (plan === undefined) return null
  const isWhole = entries !== null && missingInJournal(said, run, plan, entries) === null
  return isWhole ? leftBy(plan, entries) : { intent: plan.intent, steps: plan.steps }
}

/**
 * The steps that a process of the run may be amid. Forward, it writes an intent before each effect and a result after
 * it, and can write neither after its run is continued: the intents without a result are left. Backward, it writes only
 * what is done: it may be amid any step that was begun and is not taken back. Pure.
 */
export function mayStillChange(
  steps: readonly PlannedStep[],
  onRecord: ReadonlyMap<string, OnRecord>,
  goingBack: boolean,
): PlannedStep[] {
  return steps.filter(({ id }) => {
    const recorded = onRecord.get(id)
    return recorded === 'intent' || (goingBack && recorded === 'done')
  })
}

async function invalidate(by: TakeOver, intent: Intent, step: PlannedStep, signal: AbortSignal): Promise<void> {
  // The core's own steps have no component: their records name the process that may change them.
  const component = by.context.stack.components.find(({ name }) => name === step.component)
  const behaviour = component === undefined ? undefined : behaviourOf(by.drivers[component.driver], step.action)
  if (component === undefined || behaviour?.is !== 'versioned') return
  const run: EngineRun = {
    step,
    site: step.site,
    component,
    intent: asDriversKnow(intent),
    context: { ...contextOfStep(by.context, by.plan.intent, step), signal },
    signal,
    begunAt: by.clock.now().toISOString(),
    applied: false,
    pastReturn: false,
    memory: stepMemory(),
    proofOf: () => null,
  }
  await behaviour.invalidate(run)
  by.context.log.debug(`${step.id}: what an earlier process may still send comes too late`)
}
