import { minutes, readableDuration, seconds } from '../../duration.ts'
import { asStandbyError, StandbyError } from '../../errors.ts'
import type { Behaviour, Progress, StepRun } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { readInstance, setValue } from './instance.ts'
import { holds, runnerFor } from './observe.ts'
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
    return held.is === 'done' ? servedFromOutside(run, text(run, 'site'), held.proof) : held
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

/** Through every instance, on fresh connections, until so many answers in a row come from the new site. */
async function servedFromOutside(run: Run, site: string, proof: { readonly [key: string]: unknown }): Promise<Progress> {
  const { verify, instances } = run.component.spec
  if (verify === undefined) return { is: 'done', proof: { ...(proof as { value: string }), verified: false } }
  const wanted = verify.answers ?? 3
  const begun = performance.now()
  const results = await Promise.all(instances.map(({ url }) => answersFrom(url, verify.header, site, wanted, run)))
  const wrong = results.find((result) => result !== null)
  if (wrong !== undefined && wrong !== null) return { is: 'pending', waitingFor: wrong }
  return {
    is: 'done',
    proof: {
      ...(proof as { value: string }),
      verified: true,
      answersPerInstance: wanted,
      took: readableDuration(performance.now() - begun),
    },
  }
}

/** null when all answers came from the site; otherwise what came instead. */
async function answersFrom(url: string, header: string, site: string, count: number, run: Run): Promise<string | null> {
  for (let index = 0; index < count; index++) {
    const answer = await ask(url, header, run)
    if (answer.site !== site || typeof answer.status !== 'number' || answer.status >= 500)
      return `${url} to be answered by ${site} (${answer.site ?? 'nobody'}, ${answer.status})`
  }
  return null
}

async function ask(url: string, header: string, run: Run): Promise<{ readonly site: string | null; readonly status: number | string }> {
  try {
    // A kept-alive connection could show an old session's site.
    const response = await fetch(url, {
      headers: { connection: 'close' },
      redirect: 'manual',
      signal: AbortSignal.any([run.signal, AbortSignal.timeout(2_000)]),
    })
    await response.arrayBuffer()
    return { site: response.headers.get(header), status: response.status }
  } catch (error) {
    run.signal.throwIfAborted()
    return { site: null, status: (error as Error).message }
  }
}
