import { minutes, seconds } from '../../duration.ts'
import { asStandbyError, StandbyError } from '../../errors.ts'
import type { Behaviour, Progress, StepRun } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { readInstance, setValue } from './instance.ts'
import { holds, runnerFor } from './observe.ts'
import { servedFromOutside } from './served-from-outside.ts'
import { backendOf, closedValue, type HaproxySpec, type Traffic } from './spec.ts'

type Run = StepRun<HaproxySpec>

/** Users are let in nowhere while the data changes hands: refused at once is better than accepted and lost. */
export function closeStep(component: Traffic, intent: Intent): PlannedStep {
  return trafficStep(component, 'close', intent.from, {
    phase: 'DRAIN',
    title: `Closes all load balancers: no user reaches ${intent.from} any more, and open sessions are cut`,
    parameters: { value: closedValue(component), before: backendOf(component, intent.from), cut: backendOf(component, intent.from) },
  })
}

export function switchStep(component: Traffic, intent: Intent): PlannedStep {
  return trafficStep(component, 'switch', intent.to, {
    phase: 'TRAFFIC',
    title: `Opens all load balancers to ${intent.to}, and verifies it from outside through each of them`,
    parameters: { value: backendOf(component, intent.to), before: closedValue(component), site: intent.to },
  })
}

function trafficStep(
  component: Traffic,
  action: string,
  site: SiteName,
  step: Pick<PlannedStep, 'phase' | 'title' | 'parameters'>,
): PlannedStep {
  return {
    id: `${component.name}.${action}@${site}`,
    component: component.name,
    action,
    site,
    needs: [],
    irreversible: false,
    deadline: minutes(2),
    expected: seconds(0.4),
    ...step,
  }
}

export const close: Behaviour<HaproxySpec> = {
  done: (run) => allHold(run, text(run, 'value')),
  apply: (run) => setAll(run, text(run, 'value'), text(run, 'cut')),
  undo: (run) => setAll(run, text(run, 'before'), null),
}

export const open: Behaviour<HaproxySpec> = {
  async done(run) {
    const held = await allHold(run, text(run, 'value'))
    if (held.is !== 'done') return held
    const served = await servedFromOutside(run.component, text(run, 'site'), run.signal)
    return served.is === 'done' ? { is: 'done', proof: { ...held.proof, ...served.proof } } : served
  },
  apply: (run) => setAll(run, text(run, 'value'), null),
}

const text = (run: Run, name: string): string => {
  const value = run.step.parameters[name]
  if (typeof value !== 'string') throw new Error(`${run.step.id} has no parameter ${name}`)
  return value
}

/** Every instance, at run time and in its file; one that is half switched is named, and switched again. */
async function allHold(run: Run, value: string): Promise<Progress> {
  const hosts = run.component.spec.instances.map(({ host }) => host)
  const seen = await Promise.all(
    hosts.map(async (host): Promise<'holds' | 'differs' | StandbyError> => {
      try {
        const { view } = await readInstance(await runnerFor(run.component, host, run.context), host, run.component.spec, run.signal)
        return holds(view, value) ? 'holds' : 'differs'
      } catch (error) {
        const reason = asStandbyError(error)
        if (!MAY_COME_BACK.has(reason.code)) throw reason
        return reason
      }
    }),
  )
  const silent = seen.find((one) => one instanceof StandbyError)
  if (silent !== undefined) return { is: 'unknown', why: silent.message }
  const missing = hosts.filter((_, index) => seen[index] === 'differs')
  return missing.length === 0
    ? { is: 'done', proof: { value, instances: hosts } }
    : { is: 'pending', waitingFor: `${missing.join(', ')} to hold ${value}` }
}

/** An instance that restarts says nothing for a moment. */
const MAY_COME_BACK: ReadonlySet<string> = new Set(['load-balancer-unreadable', 'ssh-unreachable', 'process-timeout'])

/** Sets all instances that can be set, also when one can not; throws what the first of them said. */
async function setAll(run: Run, value: string, cut: string | null): Promise<void> {
  const { component, context, signal } = run
  const results = await Promise.allSettled(
    component.spec.instances.map(async ({ host }) => {
      const runner = await runnerFor(component, host, context)
      const before = await readInstance(runner, host, component.spec, signal)
      if (holds(before.view, value)) return
      const sessions = cut === null ? [] : (before.view.servers[cut] ?? []).map((server) => `${cut}/${server.name}`)
      await setValue(runner, host, component.spec, { value, before, cut: sessions }, signal)
    }),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
