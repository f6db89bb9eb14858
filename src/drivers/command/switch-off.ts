import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { Behaviour, StepRun } from '../../driver/behaviour.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { seconds } from '../../values/duration.ts'
import { ask, perform } from './call.ts'
import { type CommandSpec, callsOf, type PowerControl, timeoutOf } from './spec.ts'

/**
 * The last level of the ladder: the lost site gets no power, or no network. The step is nobody's site: it acts on what
 * stands outside, and a failover waits for nothing inside the lost one.
 */
export function switchOffStep(component: PowerControl, intent: Intent): PlannedStep {
  return {
    id: `${component.name}.switch-off`,
    component: component.name,
    action: 'switch-off',
    site: null,
    phase: 'FENCE',
    needs: [],
    // Nothing here switches a site on again: that is for people at the place, once it is known what comes up.
    irreversible: true,
    fence: 'power',
    // The call, the questions around it, and the time that machines take to go down.
    deadline: 4 * timeoutOf(component) + seconds(60),
    expected: seconds(10),
    title: `Switches ${intent.from} off from outside, and proves that it is off`,
    parameters: { site: intent.from },
  }
}

/** A yes to the question is the proof, and nothing else is: not the end of the call, and no silence. */
export const switchOff: Behaviour<CommandSpec> = {
  async done(run) {
    const site = siteOf(run)
    const answer = await ask(callsOf(run.component, site).isOff, timeoutOf(run.component), within(run))
    if (answer.says === 'yes')
      return { is: 'done', proof: { site, off: true, answer: answer.text, at: run.context.clock.now().toISOString() } }
    return answer.says === 'no'
      ? { is: 'pending', waitingFor: `${site} to be off (${answer.text})` }
      : // Before the effect an unknown state changes nothing: it is switched off all the same.
        { is: 'pending', waitingFor: `an answer whether ${site} is off (${answer.text})` }
  },
  async apply(run) {
    const site = siteOf(run)
    const answer = await perform(callsOf(run.component, site).off, timeoutOf(run.component), within(run)).catch(
      (error: unknown) => {
        // A call whose answer was lost may have switched it off: the question tells.
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
}

const within = (run: StepRun<CommandSpec>) => ({ ...run.context, signal: run.signal })

function siteOf(run: StepRun<CommandSpec>): string {
  const { site } = run.step.parameters
  if (typeof site !== 'string') throw new Error(`${run.step.id} names no site`)
  return site
}
