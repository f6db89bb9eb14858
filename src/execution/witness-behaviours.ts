import { StandbyError } from '../errors.ts'
import type { Behaviour, Clock, StepRun } from '../planning/driver.ts'
import type { Plan } from '../planning/plan.ts'
import type { ConditionalStore } from './conditional-store.ts'
import { isHeld, readActive, readLock, releaseLock, replaceActive, takeLock } from './witness.ts'

/** Of which run and plan the core's own steps are. */
export interface WitnessRun {
  readonly store: ConditionalStore
  readonly run: string
  readonly plan: Plan
  readonly clock: Clock
}

/** What performs the steps of `planning/witness-steps.ts`. */
export function witnessBehaviours(of: WitnessRun): Readonly<Record<string, Behaviour>> {
  return { lock: lockBehaviour(of), activate: activateBehaviour(of), close: closeBehaviour(of) }
}

/** The nonce is burnt first: a plan that was executed once can not begin a second time, whatever became of its lock. */
function lockBehaviour({ store, run, plan, clock }: WitnessRun): Behaviour {
  const epoch = plan.epoch + 1
  return {
    async done() {
      const [lock, active] = await Promise.all([readLock(store), readActive(store)])
      const ours = lock !== null && lock.record.holder === run && isHeld(lock.record, clock.now())
      return ours && active?.record.epoch === epoch
        ? { is: 'done', proof: { holder: run, epoch, expiresAt: lock.record.expiresAt } }
        : { is: 'pending', waitingFor: 'the lock' }
    },
    async apply() {
      await burnNonce(store, plan, run)
      await takeLock(store, {
        stack: plan.stack.name,
        holder: run,
        epoch,
        now: clock.now(),
        purpose: `move ${plan.intent.from} to ${plan.intent.to}`,
      })
      const active = await readActive(store)
      if (active === null || active.record.activeSite !== plan.intent.from || active.record.epoch > epoch)
        throw new StandbyError({
          code: 'plan-stale',
          mustAct: 'approval',
          what: `the plan was made in epoch ${plan.epoch} with ${plan.intent.from} active; now it is epoch ${active?.record.epoch ?? 0} with ${active?.record.activeSite ?? 'no site'} active`,
          next: 'Make a new plan.',
        })
      if (active.record.epoch < epoch)
        await replaceActive(store, { ...active.record, epoch, since: clock.now().toISOString(), run }, active)
    },
  }
}

async function burnNonce(store: ConditionalStore, plan: Plan, run: string): Promise<void> {
  const key = `nonces/${plan.nonce}.json`
  const burnt = await store.get(key)
  if (burnt?.body.run === run) return
  if (burnt === null) {
    await store.create(key, { schemaVersion: 1, plan: plan.id, run })
    return
  }
  throw new StandbyError({
    code: 'plan-already-executed',
    mustAct: 'approval',
    what: `plan ${plan.id} was executed before, by run ${String(burnt.body.run)}; a plan is executed once`,
    next: 'Make a new plan.',
  })
}

function activateBehaviour({ store, run, plan, clock }: WitnessRun): Behaviour {
  return {
    async done() {
      const active = await readActive(store)
      return active?.record.activeSite === plan.intent.to && active.record.epoch === plan.epoch + 1
        ? { is: 'done', proof: { activeSite: active.record.activeSite, epoch: active.record.epoch, since: active.record.since } }
        : { is: 'pending', waitingFor: `the witness to name ${plan.intent.to}` }
    },
    async apply() {
      const active = await readActive(store)
      if (active === null || active.record.epoch !== plan.epoch + 1 || active.record.run !== run)
        throw new StandbyError({
          code: 'lock-lost',
          mustAct: 'site',
          what: `the active record is of run ${active?.record.run ?? 'nobody'} and epoch ${active?.record.epoch ?? 0}, not of this run`,
          next: 'Look at what the other run did.',
        })
      await replaceActive(store, { ...active.record, activeSite: plan.intent.to, since: clock.now().toISOString() }, active)
    },
  }
}

function closeBehaviour({ store, run }: WitnessRun): Behaviour {
  return {
    async done(_: StepRun) {
      const lock = await readLock(store)
      return lock === null || lock.record.holder !== run || lock.record.released
        ? { is: 'done', proof: { released: true } }
        : { is: 'pending', waitingFor: 'the lock to be released' }
    },
    apply: () => releaseLock(store, run),
  }
}
