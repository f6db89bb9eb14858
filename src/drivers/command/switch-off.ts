import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, StepRun } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { seconds } from '../../values/duration.ts'
import { ask, perform } from './call.ts'
import { byHand } from './runbook.ts'
import { type CommandSpec, callsOf, type PowerControl, timeoutOf } from './spec.ts'

export type SwitchOff = { readonly site: string }
interface SwitchedOff extends Proof {
  readonly site: string
  readonly off: true
  readonly answer: string
  /** ISO 8601. */
  readonly at: string
}

/**
 * The highest fence level: the lost site gets no power, or no network. The step belongs to no site: it acts on a
 * system outside, so a failover waits for nothing inside the lost site.
 */
export const switchOffStep = (component: PowerControl, intent: Intent): DriverStep<SwitchOff> =>
  planStep(switchOff, null, {
    phase: 'FENCE',
    // Standby never switches a site on again: people on site do that, once they know what starts there.
    irreversible: true,
    fence: 'power',
    // Time for the call, the questions before and after it, and the shutdown of the machines.
    deadline: 4 * timeoutOf(component) + seconds(60),
    expected: seconds(10),
    title: `Switches ${intent.from} off from outside, and proves that it is off`,
    parameters: { site: intent.from },
  })

/** Only a yes to `isOff` is the proof: neither the end of the call nor silence is. */
const behaviour: Plain<CommandSpec, SwitchOff, SwitchedOff> = {
  is: 'plain',
  async done(run) {
    const { site } = run.step.parameters
    const answer = await ask(callsOf(run.component, site).isOff, timeoutOf(run.component), within(run))
    if (answer.says === 'yes')
      return { is: 'done', proof: { site, off: true, answer: answer.text, at: run.context.clock.now().toISOString() } }
    return answer.says === 'no'
      ? { is: 'pending', waitingFor: `${site} to be off (${answer.text})` }
      : // Before the effect an unknown state makes no difference: the site is switched off anyway.
        { is: 'pending', waitingFor: `an answer whether ${site} is off (${answer.text})` }
  },
  async apply(run) {
    const { site } = run.step.parameters
    const answer = await perform(callsOf(run.component, site).off, timeoutOf(run.component), within(run)).catch(
      (error: unknown) => {
        // A call whose answer was lost may have switched the site off: the next question shows it.
        if (asStandbyError(error).code !== 'power-control-silent') throw error
        run.context.log.warning(asStandbyError(error).message)
        return null
      },
    )
    if (answer !== null && !answer.done)
      throw siteError('power-control-failed', `${site} was not switched off: ${answer.text}`, {
        where: `${run.component.name} ${site}`,
        next: `Switch ${site} off by hand, then continue the run.`,
      })
  },
  back: { is: 'irreversible' },
}

export const switchOff: Action<CommandSpec, SwitchOff, SwitchedOff> = {
  name: 'switch-off',
  parameters: {
    type: 'object',
    required: ['site'],
    additionalProperties: false,
    properties: { site: { type: 'string' } },
  },
  behaviour,
  byHand,
}

const within = (run: StepRun<CommandSpec, SwitchOff, unknown>) => ({ ...run.context, signal: run.signal })
