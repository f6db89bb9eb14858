import { PHASES, type Phase, type PlannedStep, type StepId } from '../domain/plan.ts'

const rank = (phase: Phase): number => PHASES.indexOf(phase)

/**
 * The steps that may begin now: their needs are done, and so is every step of an earlier phase
 * (earlier than `mayBeginIn`, where a step declares that it may begin beside others).
 */
export function readySteps(
  steps: readonly PlannedStep[],
  done: ReadonlySet<StepId>,
  begun: ReadonlySet<StepId>,
): PlannedStep[] {
  const firstOpenPhase = Math.min(...steps.filter((step) => !done.has(step.id)).map((step) => rank(step.phase)))
  return steps.filter(
    (step) =>
      !done.has(step.id) &&
      !begun.has(step.id) &&
      rank(step.mayBeginIn ?? step.phase) <= firstOpenPhase &&
      step.needs.every((need) => done.has(need)),
  )
}

/**
 * Why these steps cannot be a plan: a missing need, a cycle, a step before what it needs. Empty: they can.
 */
export function orderProblems(steps: readonly PlannedStep[]): string[] {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const problems: string[] = []
  if (byId.size < steps.length)
    problems.push(`two steps share one id: ${duplicatesOf(steps.map((step) => step.id)).join(', ')}`)
  for (const step of steps) {
    for (const need of step.needs) {
      const needed = byId.get(need)
      if (needed === undefined) problems.push(`${step.id} needs ${need}, which is not in the plan`)
      else if (rank(needed.phase) > rank(step.phase))
        problems.push(`${step.id} (${step.phase}) needs ${need} of the later phase ${needed.phase}`)
    }
    if (step.mayBeginIn !== undefined && rank(step.mayBeginIn) > rank(step.phase))
      problems.push(`${step.id} may begin in ${step.mayBeginIn}, after its own phase ${step.phase}`)
    if (step.mayBeginIn !== undefined && step.irreversible)
      problems.push(`${step.id} is irreversible and must not begin early`)
  }
  return problems.length > 0 ? problems : unreachable(steps)
}

function unreachable(steps: readonly PlannedStep[]): string[] {
  const done = new Set<StepId>()
  for (let ready = readySteps(steps, done, done); ready.length > 0; ready = readySteps(steps, done, done)) {
    for (const step of ready) done.add(step.id)
    if (done.size === steps.length) return []
  }
  const stuck = steps.filter((step) => !done.has(step.id)).map((step) => step.id)
  return stuck.length === 0 ? [] : [`these steps wait for each other: ${stuck.join(', ')}`]
}

/** The steps in an order in which they could run one after another. Pure. */
export function sequenceOf(steps: readonly PlannedStep[]): PlannedStep[] {
  const done = new Set<StepId>()
  const sequence: PlannedStep[] = []
  while (sequence.length < steps.length) {
    const ready = readySteps(steps, done, done).sort((a, b) => rank(a.phase) - rank(b.phase))
    if (ready.length === 0) throw new Error(orderProblems(steps).join('; '))
    for (const step of ready) {
      sequence.push(step)
      done.add(step.id)
    }
  }
  return sequence
}

/** When each step begins and ends if everything takes what it usually takes; milliseconds from the start. */
export function schedule(
  steps: readonly PlannedStep[],
): ReadonlyMap<StepId, { readonly begins: number; readonly ends: number }> {
  const times = new Map<StepId, { begins: number; ends: number }>()
  const done = new Set<StepId>()
  const running = new Map<StepId, number>()
  let now = 0
  while (done.size < steps.length) {
    for (const step of readySteps(steps, done, new Set(running.keys()))) {
      times.set(step.id, { begins: now, ends: now + step.expected })
      running.set(step.id, now + step.expected)
    }
    const next = [...running].sort((a, b) => a[1] - b[1])[0]
    if (next === undefined) throw new Error(orderProblems(steps).join('; '))
    now = next[1]
    running.delete(next[0])
    done.add(next[0])
  }
  return times
}

function duplicatesOf(ids: readonly string[]): string[] {
  return [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))]
}
