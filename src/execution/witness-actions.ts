import type { Plan } from '../domain/plan.ts'
import type { Plain } from '../driver/behaviour.ts'
import type { EngineRun } from '../driver/engine.ts'
import type { Proof } from '../driver/proofs.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import { purposeOf } from '../planning/lock-findings.ts'
import { planCommand } from '../planning/plan-command.ts'
import type { Clock } from '../runtime/clock.ts'
import { seconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import { readActive, replaceActive } from '../witness/active.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { type ActiveRecord, nonceDocument } from '../witness/documents.ts'
import { nonceKey } from '../witness/keys.ts'
import { readLock, releaseLock, takeLock } from '../witness/lock.ts'
import { isHeld, runOfHolder } from '../witness/lock-holder.ts'
import { readDocument, type Versioned } from '../witness/read-document.ts'
import { witnessTime } from '../witness/time.ts'
import { PAST } from './run-state.ts'

/** Of which run and plan the core's own steps are. */
export interface WitnessRun {
  readonly store: ConditionalStore
  readonly run: string
  /** This process of the run: see `holderOf`. */
  readonly holder: string
  readonly plan: Plan
  readonly clock: Clock
  /** Invalidates what earlier processes of a run may still change on the sites: see `take-over.ts`. */
  readonly invalidateLeft: (run: string, signal: AbortSignal) => Promise<void>
  /** Called when the lock is taken, before the rest of the step: from then on the lock is renewed. */
  readonly lockTaken: () => void
}

/** The records of the witness have versions, and each effect here is a compare-and-set on what it reads itself. */
type WitnessBehaviour = Plain<JsonObject, JsonObject, Proof & JsonObject, unknown>

/** The behaviours of the steps of `planning/witness-steps.ts`. */
export function witnessBehaviours(of: WitnessRun): Readonly<Record<string, WitnessBehaviour>> {
  return { lock: lockBehaviour(of), activate: activateBehaviour(of), close: closeBehaviour(of) }
}

/**
 * The nonce is burnt under the lock, before the epoch begins and before any effect: a plan that was executed once
 * cannot begin a second time, and a plan that found the lock held by another run is not used up.
 */
function lockBehaviour(of: WitnessRun): WitnessBehaviour {
  const { store, run, holder, plan, clock } = of
  const epoch = plan.epoch + 1
  return {
    is: 'plain',
    async done() {
      const [lock, active] = await Promise.all([readLock(store), readActive(store)])
      // An expired lock that no other process took is still ours: each effect renews it.
      const ours = lock !== null && !lock.record.released && lock.record.holder === holder
      if (ours && active?.record.epoch === epoch && active.record.holder === holder)
        return { is: 'done', proof: { holder, epoch, expiresAt: lock.record.expiresAt } }
      const held = lock !== null && isHeld(lock.record, await witnessTime(store, clock))
      return {
        is: 'pending',
        waitingFor: held ? `the lock of ${lock.record.holder}, until ${lock.record.expiresAt}` : 'the lock',
      }
    },
    async apply(step) {
      await refuseBurnt(of)
      await untilEarlierProcessIsGone(of, step)
      await takeLock(store, {
        stack: plan.stack.name,
        holder,
        epoch,
        now: await witnessTime(store, clock),
        purpose: purposeOf(plan.intent),
      })
      of.lockTaken()
      await burnNonce(of).catch(async (error: unknown) => {
        // Any other failure leaves the lock as it is: a run that is half done must be seen to be unfinished.
        if (asStandbyError(error).code === 'plan-already-executed') await releaseLock(store, holder)
        throw error
      })
      const active = await readActive(store)
      const record = active?.record
      const ours = record?.epoch === epoch && record.run === run
      if (
        active === null ||
        record === undefined ||
        (!ours && (record.epoch !== plan.epoch || record.activeSite !== plan.intent.from))
      ) {
        await releaseLock(store, holder)
        throw new StandbyError({
          code: 'plan-stale',
          mustAct: 'approval',
          what: `the plan was made in epoch ${plan.epoch} with ${plan.intent.from} active; now it is epoch ${record?.epoch ?? 0} with ${record?.activeSite ?? 'no site'} active`,
          next: `Make a new plan: ${planCommand(plan.intent)}`,
        })
      }
      // Comes before the record names this process: if it dies now, the process that continues finds the same run, and
      // repeats this.
      for (const left of new Set([run, record.run])) await of.invalidateLeft(left, step.signal)
      // A process that continues the run also takes over the record: a process that fell asleep after its last check of
      // the lock can then not activate any more.
      const since = ours ? record.since : (await witnessTime(store, clock)).toISOString()
      if (record.holder !== holder) await replaceActive(store, { ...record, epoch, since, run, holder }, active)
    },
    back: { is: 'undone-by', action: 'close' },
  }
}

/** The earlier process of this run may still live, and assume that it holds the lock: the lock must expire first. */
async function untilEarlierProcessIsGone(
  { store, run, holder, clock }: WitnessRun,
  step: Pick<EngineRun, 'context' | 'signal'>,
): Promise<void> {
  for (let said = false; ; ) {
    const lock = await readLock(store)
    if (lock === null || lock.record.holder === holder || runOfHolder(lock.record.holder) !== run) return
    const now = await witnessTime(store, clock)
    if (!isHeld(lock.record, now)) return
    const left = Date.parse(lock.record.expiresAt) - now.getTime()
    if (!said)
      step.context.log.info(`waiting for the lock of ${lock.record.holder} to expire at ${lock.record.expiresAt}`)
    said = true
    await clock.sleep(Math.min(left + 1, seconds(1)), step.signal)
  }
}

async function burnNonce(of: WitnessRun): Promise<void> {
  const { store, plan, run } = of
  try {
    if ((await burntBy(of)) === null) await store.create(nonceKey(plan.nonce), { schemaVersion: 1, plan: plan.id, run })
  } catch (error) {
    if (asStandbyError(error).code !== 'witness-conflict') throw error
  }
  await refuseBurnt(of)
}

/**
 * Refuses a plan that another run has executed, before asking for the lock that this other run may still hold.
 */
async function refuseBurnt(of: WitnessRun): Promise<void> {
  const { plan, run } = of
  const by = await burntBy(of)
  if (by === null || by === run) return
  throw new StandbyError({
    code: 'plan-already-executed',
    mustAct: 'approval',
    what: `plan ${plan.id} was executed before, by run ${by}; a plan is executed once`,
    next: `Make a new plan: ${planCommand(plan.intent)}`,
  })
}

const burntBy = async ({ store, plan }: WitnessRun): Promise<string | null> =>
  (await readDocument(store, nonceDocument, nonceKey(plan.nonce)))?.record.run ?? null

function activateBehaviour(of: WitnessRun): WitnessBehaviour {
  const { store, run, plan, clock } = of
  return {
    is: 'plain',
    async done() {
      const active = await readActive(store)
      return active?.record.activeSite === plan.intent.to && active.record.epoch === plan.epoch + 1
        ? {
            is: 'done',
            proof: { activeSite: active.record.activeSite, epoch: active.record.epoch, since: active.record.since },
          }
        : { is: 'pending', waitingFor: `the witness to name ${plan.intent.to}` }
    },
    async apply() {
      const active = await ourActive(of)
      await replaceActive(
        store,
        { ...active.record, activeSite: plan.intent.to, since: (await witnessTime(store, clock)).toISOString() },
        active,
      )
    },
    back: {
      /**
       * Writes the record anew: a write of an earlier process that is still on its way no longer finds the version that
       * it replaces.
       */
      async undo() {
        const active = await ourActive(of)
        if (active.record.activeSite === plan.intent.to)
          throw new StandbyError({
            code: PAST,
            mustAct: 'site',
            what: `the witness names ${plan.intent.to} already: this move only goes forward`,
            next: `Resume it: standby failover resume --run ${run}`,
          })
        await replaceActive(store, { ...active.record, since: (await witnessTime(store, clock)).toISOString() }, active)
      },
      undone: async () => ({ is: 'done', proof: {} }),
    },
  }
}

async function ourActive({ store, holder, plan }: WitnessRun): Promise<Versioned<ActiveRecord>> {
  const active = await readActive(store)
  if (active !== null && active.record.epoch === plan.epoch + 1 && active.record.holder === holder) return active
  throw new StandbyError({
    code: 'lock-lost',
    mustAct: 'site',
    what: `the active record is of ${active?.record.holder ?? active?.record.run ?? 'no run'} and epoch ${active?.record.epoch ?? 0}, not of ${holder}`,
    next: 'Look at what the other process did.',
  })
}

function closeBehaviour({ store, holder }: WitnessRun): WitnessBehaviour {
  return {
    is: 'plain',
    async done() {
      const lock = await readLock(store)
      return lock === null || lock.record.holder !== holder || lock.record.released
        ? { is: 'done', proof: { released: true } }
        : { is: 'pending', waitingFor: 'the lock to be released' }
    },
    apply: () => releaseLock(store, holder),
    back: { is: 'irreversible' },
  }
}
