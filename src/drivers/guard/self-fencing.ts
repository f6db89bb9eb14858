import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { SelfFencing } from '../../driver/assessment.ts'
import type { Plain } from '../../driver/behaviour.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { Proof } from '../../driver/proofs.ts'
import { closesWithin } from '../../guard/closing-time.ts'
import { hours, type Milliseconds, minutes, readableDuration, seconds } from '../../values/duration.ts'
import { type GuardState, reportsIn } from './observe.ts'
import { type GuardComponent, type GuardSpec, rulesOf } from './spec.ts'

/** No promotion waits longer. A timer of Node.js is limited to 24 days as well. */
const LONGEST: Milliseconds = hours(24)
/** The longest single sleep: between two of them the log says that the wait goes on. */
const NAP: Milliseconds = seconds(30)

/** The site whose guard is waited for, and how long. */
export type SelfFencingWait = { readonly within: Milliseconds; readonly guarded: string }
interface Waited extends Proof {
  readonly by: 'time'
  readonly guarded: string
  readonly waitedMs: Milliseconds
  readonly text: string
}

/**
 * Whether the guard of the lost site closes it by time alone, as far as this can be known, and the step that waits for
 * it. Pure.
 */
export function guardSelfFencing(
  component: GuardComponent,
  states: StatesPerSite<GuardState>,
  { from, to }: Intent,
): SelfFencing<DriverStep> {
  const within = closesWithin(rulesOf(component.spec))
  if (within === null)
    return {
      within,
      why: `without closeAfter the guard of ${from} leaves it open while it cannot read the witness`,
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
  const wait = planStep(selfFencing, null, {
    phase: 'PROMOTE',
    deadline: within + minutes(5),
    expected: within,
    title: `Waits until the guard of ${from} has shut it: ${readableDuration(within)} after the witness named ${to}. This is not observed: a guard that runs has closed by then`,
    parameters: { within, guarded: from },
  })
  return { within, wait }
}

/**
 * Why the guard of the lost site may not close it within the declared time. Silence is no reason: then the declared
 * time is all that is known.
 */
function doubtOf(states: StatesPerSite<GuardState>, from: string, within: Milliseconds): string | null {
  const lost = states[from]
  // A guard that is missing on one site, or on one machine, may be missing on the silent one too.
  const without = Object.entries(states).flatMap(([site, seen]) => {
    if (seen.kind === 'absent') return [site]
    return seen.kind === 'answering' ? unguarded(seen.state, site) : []
  })
  if (without.length > 0) return `no guard is deployed on ${without.join(', ')}`
  if (lost?.kind === 'answering' && lost.health !== 'healthy') return `the guard of ${from} is not well: ${lost.text}`
  // The deployed guards may be of an older stack file: those that answer state their own times.
  for (const [site, seen] of Object.entries(states)) {
    const reports = seen.kind === 'answering' ? reportsIn(seen.state) : []
    const report = reports.find(({ closesWithin }) => closesWithin !== within)
    if (report !== undefined)
      return `the guard of ${site} was deployed with other times (it closes ${timesOf(report.closesWithin)}, declared is ${readableDuration(within)})`
  }
  return null
}

/** The machines of a site that answer, and have no guard. */
const unguarded = ({ machines = {} }: GuardState, site: string): string[] =>
  Object.entries(machines).flatMap(([machine, { silent, installed }]) =>
    silent === null && !installed ? [`${machine} of ${site}`] : [],
  )

function timesOf(within: Milliseconds | null | undefined): string {
  if (within === undefined) return 'in a time that it does not state'
  return within === null ? 'not by time alone' : `within ${readableDuration(within)}`
}

/**
 * Sleeps for the whole time, from a moment after the acknowledged activation on. No record proves that so much time has
 * passed: the date in the witness is of another clock, perhaps of another machine. So only a process that has waited
 * itself is done, and one that continues the run waits again from the beginning. The sleep is measured by the machine's
 * monotonic clock, which cannot be set.
 */
const behaviour: Plain<GuardSpec, SelfFencingWait, Waited> = {
  is: 'plain',
  async done({ step, intent, applied }) {
    const { within, guarded } = waitOf(step)
    if (!applied) return { is: 'pending', waitingFor: `the guard of ${guarded}, ${readableDuration(within)}` }
    const since = `after the witness named ${intent?.to ?? 'another site'}`
    return {
      is: 'done',
      proof: {
        by: 'time',
        guarded,
        waitedMs: within,
        text: `by time: a guard of ${guarded} that runs closes it within ${readableDuration(within)} ${since}; this was not observed`,
      },
    }
  },
  async apply({ step, context, signal }) {
    const { within, guarded } = waitOf(step)
    for (let left = within; left > 0; left -= NAP) {
      context.log.info(`${step.id}: ${readableDuration(left)} until the guard of ${guarded} must have shut it`)
      await context.clock.sleep(Math.min(left, NAP), signal)
    }
  },
  back: { is: 'leaves-nothing', because: 'it waits, and changes nothing' },
}

/** Throws where the plan was altered: without the wait a promotion could make a second writer. */
function waitOf({
  id = 'self-fencing',
  parameters: { within, guarded },
}: {
  readonly id?: string
  readonly parameters: Readonly<Partial<SelfFencingWait>>
}): SelfFencingWait {
  if (typeof within !== 'number' || !(within > 0) || typeof guarded !== 'string')
    throw new Error(`${id} does not say how long to wait, and for which site`)
  return { within, guarded }
}

export const selfFencing: Action<GuardSpec, SelfFencingWait, Waited> = {
  name: 'self-fencing',
  parameters: {
    type: 'object',
    required: ['within', 'guarded'],
    additionalProperties: false,
    properties: { within: { type: 'number', exclusiveMinimum: 0 }, guarded: { type: 'string' } },
  },
  behaviour,
  // A person does the same by hand: wait by the clock.
  byHand: {
    say(_component, step) {
      const { within, guarded } = waitOf(step)
      return {
        commands: [`sleep ${Math.ceil(within / 1_000)}`],
        expect: `${readableDuration(within)} have passed since active.json was replaced.`,
        never: `Promote earlier: ${guarded} may still take writes from inside.`,
      }
    },
  },
}
