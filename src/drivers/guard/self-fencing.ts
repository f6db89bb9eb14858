import type { BySite } from '../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { SelfFencing } from '../../driver/assessment.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import type { Manual } from '../../driver/manual.ts'
import { closesWithin } from '../../guard/closing-time.ts'
import { hours, type Milliseconds, minutes, readableDuration, seconds } from '../../values/duration.ts'
import type { GuardState } from './observe.ts'
import { type GuardComponent, type GuardSpec, rulesOf } from './spec.ts'

/** Nobody waits longer for a promotion; and a timer of Node.js ends at 24 days. */
const LONGEST: Milliseconds = hours(24)
/** So long a sleep at a time: a person sees that it goes on. */
const NAP: Milliseconds = seconds(30)

/**
 * Whether the guard of the lost site closes it by time alone, as far as anybody can know, and the step that waits for
 * it. Pure.
 */
export function guardSelfFencing(
  component: GuardComponent,
  states: BySite<GuardState>,
  { from, to }: Intent,
): SelfFencing {
  const within = closesWithin(rulesOf(component.spec))
  if (within === null)
    return {
      within,
      why: `without closeAfter the guard of ${from} leaves it open while it can not read the witness`,
      next: `Declare closeAfter of ${component.name}, and deploy.`,
    }
  const doubt =
    within > LONGEST ? `it would close after ${readableDuration(within)} only` : doubtOf(states, from, within)
  if (doubt !== null)
    return {
      within: null,
      why: doubt,
      next: `Bring the guards up as they are declared (standby deploy), or shorten their times.`,
    }
  const wait: PlannedStep = {
    id: `${component.name}.self-fencing`,
    component: component.name,
    action: 'self-fencing',
    site: null,
    phase: 'PROMOTE',
    needs: [],
    irreversible: false,
    deadline: within + minutes(5),
    expected: within,
    title: `Waits until the guard of ${from} has shut it: ${readableDuration(within)} after the witness named ${to}. Nobody sees it: a guard that runs has closed by then`,
    parameters: { within, guarded: from },
  }
  return { within, wait }
}

/**
 * What speaks against a guard on the lost site that closes in its declared time. Silence does not: then its promise is
 * all there is.
 */
function doubtOf(states: BySite<GuardState>, from: string, within: Milliseconds): string | null {
  const lost = states[from]
  // What was not deployed on one site may well be missing on the silent one.
  const without = Object.entries(states).find(([, seen]) => seen.kind === 'absent')?.[0]
  if (without !== undefined) return `no guard is deployed on ${without}`
  if (lost?.kind === 'answering' && lost.health !== 'healthy') return `the guard of ${from} is not well: ${lost.text}`
  // The deployed guards may be of an older stack file: those that answer say what they keep.
  for (const [site, seen] of Object.entries(states)) {
    const report = seen.kind === 'answering' ? seen.state.report : null
    if (report !== null && report.closesWithin !== within)
      return `the guard of ${site} was deployed with other times (it closes ${timesOf(report.closesWithin)}, declared is ${readableDuration(within)})`
  }
  return null
}
const timesOf = (within: Milliseconds | null | undefined): string =>
  within === undefined
    ? 'in a time that it does not tell'
    : within === null
      ? 'not by time alone'
      : `within ${readableDuration(within)}`

/**
 * Sleeps, from an instant behind the acknowledged activation on. Nothing that can be read proves that so much time has
 * passed: the date in the witness is of another clock, perhaps of another machine. So only whoever has waited is done,
 * and whoever continues the run waits anew, from the beginning. Sleep is measured by the machine's monotonic clock,
 * which nobody sets.
 */
export const selfFencing: Behaviour<GuardSpec> = {
  async done({ step, intent, applied }) {
    const { within, guarded } = parametersOf(step)
    if (!applied) return { is: 'pending', waitingFor: `the guard of ${guarded}, ${readableDuration(within)}` }
    const since = `after the witness named ${intent?.to ?? 'another site'}`
    return {
      is: 'done',
      proof: {
        by: 'time',
        guarded,
        waitedMs: within,
        text: `by time: a guard of ${guarded} that runs closes it within ${readableDuration(within)} ${since}; nobody has looked`,
      },
    }
  },
  async apply({ step, context, signal }) {
    const { within, guarded } = parametersOf(step)
    for (let left = within; left > 0; left -= NAP) {
      context.log.info(`${step.id}: ${readableDuration(left)} until the guard of ${guarded} must have shut it`)
      await context.clock.sleep(Math.min(left, NAP), signal)
    }
  },
}

/** Throws where the plan was bent: to wait for nothing would be to promote beside a writer. */
function parametersOf({ id, parameters: { within, guarded } }: PlannedStep): {
  readonly within: Milliseconds
  readonly guarded: string
} {
  if (typeof within !== 'number' || !(within > 0) || typeof guarded !== 'string')
    throw new Error(`${id} does not say how long to wait for whom`)
  return { within, guarded }
}

/** By hand it is the same: to look at the clock. */
export function manualWait(step: PlannedStep): Manual | null {
  if (step.action !== 'self-fencing') return null
  const { within, guarded } = parametersOf(step)
  return {
    commands: [`sleep ${Math.ceil(within / 1_000)}`],
    expect: `${readableDuration(within)} have passed since active.json was replaced.`,
    never: `Promote earlier: ${guarded} may still take writes from inside.`,
  }
}
