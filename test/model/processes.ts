import { restingOnClaim } from '../../src/execution/claims.ts'
import { gateProblems, isByTime } from '../../src/execution/gates.ts'
import type { Command, RunEvent } from '../../src/execution/run-state.ts'
import { mayTurnBack } from '../../src/execution/transition.ts'
import type { OnRecord, Verdict } from '../../src/witness/journal.ts'
import { lockPart, looks, mayActivate, releaseIfOwn, stillOurs, undoActivate } from './commands.ts'
import { brokenByEnd, unapproved } from './invariants.ts'
import type { ModelStep } from './model-plans.ts'
import { buried, copyOf, type Emit, effectOf, stepNamed, touch, undoOf } from './moves.ts'
import type { JournalView } from './run-table.ts'
import { type Model, must } from './scenario.ts'
import { describeEffect, type Effect, encode, hasVersions, reaches, take } from './sites.ts'
import * as W from './world-state.ts'

/** Everything that one process may do next, and all that may go wrong with it. */
export function movesOfProcess(model: Model, world: W.WorldState, process: number, emit: Emit) {
  const life = W.get(world, W.LIFE + process)
  if (life === W.UNBORN) return comeToLife(model, world, process, emit)
  if (life !== W.ALIVE) return
  const { run } = must(model.scenario.processes[process])
  if (mayDie(model, world, process)) {
    const next = copyOf(world)
    next[W.CRASHES] = W.get(world, W.CRASHES) - 1
    buried(next, process, W.CRASHED)
    emit({ next, fair: false, label: () => `${nameOf(model, process)} dies`, broken: null })
  }
  const commands = model.tableOf(run).commands(W.get(world, W.RUN_STATE + process))
  if (commands.length === 0) return gaveUp(model, world, process, emit)
  for (const command of commands) {
    if ('step' in command) new Working(model, world, process, run, command, emit).carryOut()
    else if (command.do === 'turn-back') turnBack(model, world, process, run, emit)
    else end(model, world, process, run, command.verdict, emit)
  }
}

/** Whether another process is left that could continue its run: a run that is never resumed proves nothing. */
function mayDie(model: Model, world: W.WorldState, process: number): boolean {
  const { run } = must(model.scenario.processes[process])
  const successor = model.scenario.processes.some(
    (one, index) => one.run === run && one.how !== 'begin' && W.get(world, W.LIFE + index) === W.UNBORN,
  )
  return W.get(world, W.CRASHES) > 0 && (successor || W.get(world, W.STALE + process) === 1)
}

export const nameOf = (model: Model, process: number): string => {
  const { run, how } = must(model.scenario.processes[process])
  return `process ${process + 1} (run ${run + 1}, ${how})`
}

/**
 * Mirrors `revalidatePlan` and `join` and `turned` of execute-move.ts. A resume is refused nothing here, where
 * production asks what has changed: there are more worlds for it, not fewer.
 */
function comeToLife(model: Model, world: W.WorldState, process: number, emit: Emit): void {
  const { run, how } = must(model.scenario.processes[process])
  const table = model.tableOf(run)
  const ofRun = model.scenario.processes.flatMap((other, index) =>
    other.run === run && index !== process ? [index] : [],
  )
  const begun = ofRun.some((index) => W.get(world, W.LIFE + index) !== W.UNBORN)
  const journal = table.journalView(W.get(world, W.JOURNAL + run))
  if (
    how === 'begin'
      ? begun || !factsHold(model, world, run)
      : !begun || journal.ended === 'moved' || journal.ended === 'undone'
  )
    return
  const next = copyOf(world)
  for (const index of ofRun) if (W.get(world, W.LIFE + index) !== W.UNBORN) next[W.STALE + index] = 1
  const from = table.begun(W.get(world, W.JOURNAL + run), how !== 'begin')
  next[W.LIFE + process] = W.ALIVE
  next[W.RUN_STATE + process] = from
  if (how === 'abort') {
    if (mayTurnBack(model.planOf(run).course, table.state(from))) {
      next[W.JOURNAL + run] = table.journal({ ...journal, turnedBack: true })
      next[W.RUN_STATE + process] = table.after(from, { is: 'turned-back' })
    } else buried(next, process, W.ENDED)
  }
  if (isCutShort(model, world, run) && !model.planted('believes-short-journal')) buried(next, process, W.ENDED)
  // Mirrors `refuseUnfenced`.
  if (how !== 'abort' && gateProblems(model.planOf(run).course).length > 0 && !model.planted('runs-without-fence'))
    buried(next, process, W.ENDED)
  emit({ next, fair: how !== 'begin', label: () => `${nameOf(model, process)} comes to life`, broken: null })
}

/** Mirrors `missingInJournal`, without the number of processes: there are more worlds for it, not fewer. */
function isCutShort(model: Model, world: W.WorldState, run: number): boolean {
  const { plan, steps, to } = model.planOf(run)
  const { steps: onRecord } = model.tableOf(run).journalView(W.get(world, W.JOURNAL + run))
  const isOnRecord = (action: ModelStep['action']): boolean =>
    steps.some((step, at) => step.action === action && onRecord[at] != null)
  if (W.get(world, W.EPOCH) !== plan.epoch + 1 || W.get(world, W.ACTIVE_RUN) !== run + 1) return false
  return (
    !isOnRecord('lock') || (plan.intent.mode !== 'rejoin' && W.get(world, W.ACTIVE) === to && !isOnRecord('activate'))
  )
}

function factsHold(model: Model, world: W.WorldState, run: number): boolean {
  const { plan, from, to } = model.planOf(run)
  const { mode } = plan.intent
  const lock = W.get(world, W.LOCK)
  if (W.get(world, W.EPOCH) !== plan.epoch || W.get(world, W.ACTIVE) !== from) return false
  if (lock === W.HELD || (lock === W.EXPIRED && mode !== 'failover')) return false
  const up = (place: number): boolean => W.get(world, W.SITE + place) === W.UP
  if (!up(to) || up(from) !== (mode !== 'failover')) return false
  if (mode === 'rejoin') return true
  return (
    W.get(world, W.DATABASE + to) === W.REPLICA &&
    (mode === 'failover' || W.get(world, W.DATABASE + from) === W.PRIMARY)
  )
}

/** `runSteps` leaves its loop when nothing is left to do: the verdict is missing, and the report says "stopped". */
function gaveUp(model: Model, world: W.WorldState, process: number, emit: Emit): void {
  const named = W.get(world, W.HAS_ERROR + process) === 1
  const next = copyOf(world)
  buried(next, process, W.ENDED)
  emit({
    next,
    fair: true,
    label: () => `${nameOf(model, process)} knows nothing more to do`,
    broken: named ? null : 'a run ends without a verdict, and names no reason',
  })
}

function turnBack(model: Model, world: W.WorldState, process: number, run: number, emit: Emit): void {
  const table = model.tableOf(run)
  const next = copyOf(world)
  if (W.get(world, W.STALE + process) === 1) buried(next, process, W.ENDED)
  else {
    next[W.JOURNAL + run] = table.journal({ ...table.journalView(W.get(world, W.JOURNAL + run)), turnedBack: true })
    next[W.RUN_STATE + process] = table.after(W.get(world, W.RUN_STATE + process), { is: 'turned-back' })
    if (model.planted('releases-lock-early')) releaseIfOwn(next, process)
  }
  emit({ next, fair: true, label: () => `${nameOf(model, process)} turns back`, broken: null })
}

const RELEASED_ALREADY = 5

/** Mirrors the end of `executeMove`: the lock of a run that was undone is released first, then the end is on record. */
function end(model: Model, world: W.WorldState, process: number, run: number, verdict: Verdict, emit: Emit) {
  const next = copyOf(world)
  const table = model.tableOf(run)
  if (verdict === 'undone' && W.get(world, W.LOCK_PART + process) !== RELEASED_ALREADY) {
    const broken = brokenByEnd(model, world, process, run, verdict)
    releaseIfOwn(next, process)
    next[W.LOCK_PART + process] = RELEASED_ALREADY
    return emit({ next, fair: true, label: () => `${nameOf(model, process)} releases the lock: undone`, broken })
  }
  const broken = verdict === 'undone' ? null : brokenByEnd(model, world, process, run, verdict)
  if (W.get(world, W.STALE + process) === 0)
    next[W.JOURNAL + run] = table.journal({ ...table.journalView(W.get(world, W.JOURNAL + run)), ended: verdict })
  buried(next, process, W.ENDED)
  emit({ next, fair: true, label: () => `${nameOf(model, process)} ends: ${verdict}`, broken })
}

/** One command of one process, as `carryOut` and `begin` of run-steps.ts treat it. */
class Working {
  private readonly step: ModelStep
  private readonly index: number
  private readonly model: Model
  private readonly world: W.WorldState
  private readonly process: number
  private readonly run: number
  private readonly command: Extract<Command, { step: string }>
  private readonly emit: Emit
  private broken: string | null = null

  constructor(
    model: Model,
    world: W.WorldState,
    process: number,
    run: number,
    command: Extract<Command, { step: string }>,
    emit: Emit,
  ) {
    this.model = model
    this.world = world
    this.process = process
    this.run = run
    this.command = command
    this.emit = emit
    this.index = stepNamed(model, run, command.step)
    this.step = must(model.planOf(run).steps[this.index])
  }

  carryOut() {
    switch (this.command.do) {
      case 'record-intent':
        return this.record('intent-recorded', (recorded) =>
          recorded === null || recorded === 'undone' ? 'intent' : recorded,
        )
      case 'record-result':
        return this.record('result-recorded', () => (this.state() === 'held' ? 'was-done' : 'done'))
      case 'record-given-up':
        return this.record('given-up-recorded', () => 'given-up')
      case 'record-undone':
        return this.record('undone-recorded', () => 'undone')
      case 'observe':
        return this.observe()
      case 'revalidate':
        return this.revalidate()
      case 'record-reopened':
        return this.recordReopened()
      case 'assert-ours':
        return this.assertOurs()
      case 'apply':
        return this.apply()
      case 'take-back':
        return this.takeBack()
    }
  }

  private state = (): string =>
    this.model.tableOf(this.run).stepState(W.get(this.world, W.RUN_STATE + this.process), this.index)

  private note(next: W.WorldState, event: RunEvent): void {
    next[W.RUN_STATE + this.process] = this.model
      .tableOf(this.run)
      .after(W.get(next, W.RUN_STATE + this.process), event)
  }
  private say(
    next: W.WorldState,
    what: string,
    more: { readonly fair?: boolean; readonly broken?: string | null } = {},
  ): void {
    const label = (): string =>
      `${nameOf(this.model, this.process)}: ${this.command.do} ${this.command.step}${what === '' ? '' : `: ${what}`}`
    this.emit({ next, fair: more.fair ?? true, label, broken: more.broken ?? this.broken })
  }
  private threw(next: W.WorldState, what: string, fair = true): void {
    this.note(next, { is: 'threw', step: this.command.step })
    // What the run goes on without is no reason to stop.
    const after = this.model.tableOf(this.run).stepState(W.get(next, W.RUN_STATE + this.process), this.index)
    if (after !== 'lacking') next[W.HAS_ERROR + this.process] = 1
    this.say(next, what, { fair })
  }
  private lost(next: W.WorldState) {
    this.note(next, { is: 'lost' })
    this.threw(next, 'lock-lost')
  }
  /** The command fails once more than it must. */
  private withFault(base: W.WorldState, what: string): void {
    if (W.get(this.world, W.FAULTS) === 0) return
    const next = copyOf(base)
    next[W.FAULTS] = W.get(this.world, W.FAULTS) - 1
    this.threw(next, what, false)
  }

  private record(
    is: 'intent-recorded' | 'result-recorded' | 'given-up-recorded' | 'undone-recorded',
    entry: (before: OnRecord | null) => OnRecord,
  ) {
    const next = copyOf(this.world)
    if (W.get(this.world, W.STALE + this.process) === 1) return this.threw(next, 'run-continued-elsewhere')
    this.withFault(this.world, 'the witness stays silent')
    const table = this.model.tableOf(this.run)
    const before = table.journalView(W.get(this.world, W.JOURNAL + this.run))
    const steps = this.model.planOf(this.run).steps.map((_, at): OnRecord | null => before.steps[at] ?? null)
    steps[this.index] = entry(steps[this.index] ?? null)
    const after: JournalView = { ...before, steps }
    next[W.JOURNAL + this.run] = table.journal(after)
    this.withFault(next, 'it is written, and the witness stays silent')
    this.note(next, { is, step: this.command.step })
    this.say(next, '')
  }

  /** `StepPerformer.look` and `wait`: an uncertain answer is asked again, and time runs out. */
  private observe() {
    const seen = looks(this.model, this.world, this.process, this.run, this.step)
    const state = this.state()
    if (state === 'unwritten' || state === 'said-undone') return this.lookOffRecord(seen)
    const enough = state === 'intended' || seen === 'done' || (state === 'unsure' && seen === 'pending')
    if (!enough) return this.threw(copyOf(this.world), 'step-timeout')
    this.withFault(this.world, 'fails')
    const next = copyOf(this.world)
    this.note(next, { is: 'observed', step: this.command.step, saw: seen })
    this.say(next, seen, { broken: this.step.action === 'lock' && seen === 'done' ? this.passesLock(next) : null })
  }

  /** Mirrors `lookOffRecord`: it asks for the lock first, and a site that is silent holds nothing up. */
  private lookOffRecord(saw: 'done' | 'pending' | 'unknown') {
    this.withFault(this.world, 'the witness stays silent')
    const next = copyOf(this.world)
    if (!stillOurs(this.model, next, this.process, this.run)) return this.lost(next)
    this.note(next, { is: 'observed', step: this.command.step, saw })
    this.say(next, saw)
  }

  /** Mirrors `lookAgain`. A process cannot see a fence by time for which another process has waited. */
  private revalidate() {
    const seen = isByTime(this.step.planned)
      ? 'pending'
      : looks(this.model, this.world, this.process, this.run, this.step)
    this.withFault(this.world, 'fails')
    const next = copyOf(this.world)
    this.note(next, { is: 'revalidated', step: this.command.step, saw: seen })
    const after = this.model.tableOf(this.run).stepState(W.get(next, W.RUN_STATE + this.process), this.index)
    if (after === 'failed') next[W.HAS_ERROR + this.process] = 1
    this.say(next, seen)
  }

  private recordReopened() {
    const next = copyOf(this.world)
    if (W.get(this.world, W.STALE + this.process) === 1) return this.threw(next, 'run-continued-elsewhere')
    this.withFault(this.world, 'the witness stays silent')
    const table = this.model.tableOf(this.run)
    const { course, steps } = this.model.planOf(this.run)
    const before = table.journalView(W.get(this.world, W.JOURNAL + this.run))
    const rest = restingOnClaim(course, table.state(W.get(this.world, W.RUN_STATE + this.process)), this.command.step)
    const again = new Set([this.command.step, ...rest])
    const after = steps.map(({ planned }, at): OnRecord | null =>
      again.has(planned.id) ? 'intent' : (before.steps[at] ?? null),
    )
    next[W.JOURNAL + this.run] = table.journal({ ...before, steps: after })
    this.note(next, { is: 'reopened-recorded', step: this.command.step })
    this.say(next, '')
  }

  /** At most one run passes LOCK per epoch. */
  private passesLock(next: W.WorldState): string | null {
    const field = W.PASSED + this.model.planOf(this.run).plan.epoch - 1
    const before = W.get(next, field)
    next[field] = this.run + 1
    return before === 0 || before === this.run + 1 ? null : 'two runs pass the lock of one epoch'
  }

  private assertOurs() {
    this.withFault(this.world, 'the witness stays silent')
    const next = copyOf(this.world)
    if (!stillOurs(this.model, next, this.process, this.run)) return this.lost(next)
    next[W.FRESH + this.process] = W.get(next, W.FRESH + this.process) | (1 << this.index)
    this.note(next, { is: 'cleared', step: this.command.step })
    this.say(next, '')
  }

  private apply() {
    const { action } = this.step
    if (action === 'lock') return this.lock()
    const kind = effectOf(this.step)
    if (kind === 'activate') {
      const next = copyOf(this.world)
      const effect: Effect = { kind, place: this.step.place, run: this.run }
      if (!mayActivate(this.model, this.world, this.process, this.run)) return this.lost(next)
      this.mustBeApproved(effect)
      this.sent(effect)
      take(this.model, next, effect)
      touch(this.model, next, effect)
      return this.applied(next)
    }
    if (kind === null) {
      const next = copyOf(this.world)
      if (action === 'close-lock') releaseIfOwn(next, this.process)
      return this.applied(next)
    }
    const place = kind === 'close' ? this.model.planOf(this.run).from : this.step.place
    this.onSite({ kind, place, run: this.run }, (next) => this.applied(next))
  }

  private applied(next: W.WorldState): void {
    this.withFault(next, 'done, and its answer is lost')
    this.note(next, { is: 'applied', step: this.command.step })
    this.say(next, '')
  }

  private lock() {
    this.withFault(this.world, 'the witness stays silent')
    const next = copyOf(this.world)
    const part = lockPart(this.model, next, this.process, this.run)
    if (part === 'waits') return this.threw(next, 'step-timeout', false)
    if (part === 'refused') return this.threw(next, 'refused')
    if (part === 'done') this.note(next, { is: 'applied', step: this.command.step })
    this.say(next, `part ${W.get(this.world, W.LOCK_PART + this.process) + 1}`)
  }

  private takeBack() {
    const { action } = this.step
    const next = copyOf(this.world)
    if (action === 'activate') {
      this.withFault(this.world, 'the witness stays silent')
      const undone = undoActivate(this.model, next, this.process, this.run)
      if (undone === 'lost') return this.lost(next)
      if (undone === 'past') {
        next[W.HAS_ERROR + this.process] = 1
        this.note(next, { is: 'committed', step: this.command.step })
        return this.say(next, 'past-point-of-no-return')
      }
      return this.takenBack(next)
    }
    const kind = undoOf(this.step)
    if (kind === null) return this.takenBack(next)
    this.onSite({ kind, place: this.model.planOf(this.run).from, run: this.run }, (after) => this.takenBack(after))
  }
  private takenBack(next: W.WorldState): void {
    this.withFault(next, 'done, and its answer is lost')
    this.note(next, { is: 'taken-back', step: this.command.step })
    this.say(next, '')
  }

  /** An effect on a site: it may be refused, fail, be done without an answer, or stay on its way. */
  private onSite(effect: Effect, then: (next: W.WorldState) => void) {
    const next = copyOf(this.world)
    if (!reaches(this.world, effect)) return this.threw(next, 'site-unreachable')
    const versioned = hasVersions(this.model, effect)
    if (versioned && (W.get(this.world, W.FRESH + this.process) & (1 << this.index)) === 0)
      return this.threw(next, 'kubernetes-conflict')
    if (effect.kind === 'redirect' && this.hasParted(effect)) return this.threw(next, 'history-forked')
    this.mustBeApproved(effect)
    this.withFault(this.world, 'refused')
    this.sent(effect)
    take(this.model, next, effect)
    if (versioned) touch(this.model, next, effect)
    then(next)
  }

  /** Mirrors `partedBy` of the database: the third one has what the new active site does not have. */
  private hasParted({ place }: Effect): boolean {
    if (this.model.planted('redirects-what-parted')) return false
    return (W.get(this.world, W.THIRD_DATA) & ~W.get(this.world, W.DATA + place)) !== 0
  }

  private mustBeApproved(effect: Effect): void {
    if (unapproved(this.model, this.world, effect))
      this.broken = 'an effect without approval: its run has not burnt the nonce of its plan'
  }

  /** It stays in flight: its sender dies, or gives up, or sends it once more. */
  private sent(effect: Effect): void {
    if (W.get(this.world, W.DELAYS) === 0) return
    const base = copyOf(this.world)
    const free = Array.from({ length: W.MAX_UNDERWAY }, (_, at) => at).find((at) => W.get(base, W.UNDERWAY + at) === 0)
    if (free === undefined) return
    base[W.DELAYS] = W.get(base, W.DELAYS) - 1
    base[W.UNDERWAY + free] = encode(effect, hasVersions(this.model, effect))
    if (mayDie(this.model, base, this.process)) {
      const dies = copyOf(base)
      dies[W.CRASHES] = W.get(base, W.CRASHES) - 1
      buried(dies, this.process, W.CRASHED)
      this.say(dies, `${describeEffect(effect)} stays on its way, and its sender dies`, { fair: false })
    }
    this.threw(base, `${describeEffect(effect)} stays on its way, and its sender gives up`, false)
  }
}
