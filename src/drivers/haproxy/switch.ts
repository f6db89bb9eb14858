import { type BySite, EVERYWHERE } from '../../domain/observed.ts'
import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour, StepRun } from '../../driver/behaviour.ts'
import type { Varies } from '../../driver/varying.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import { canonicalJson, isObject, type JsonObject } from '../../values/json.ts'
import { allHold, setAll, type Wanted } from './instances.ts'
import type { HaproxyState } from './observe.ts'
import { servedFromOutside } from './served-from-outside.ts'
import { backendOf, closedValue, type HaproxySpec, type Traffic } from './spec.ts'

type Run = StepRun<HaproxySpec>

/**
 * Users are let in nowhere while the data changes hands: refused at once is better than accepted and lost.
 * In a failover it is a step of no site: the load balancers stand outside the lost one, and nothing waits for that.
 */
export function closeStep(component: Traffic, intent: Intent, states: BySite<HaproxyState> = {}): PlannedStep {
  const site = intent.mode === 'failover' ? null : intent.from
  return trafficStep(component, 'close', site, {
    phase: 'DRAIN',
    fence: 'traffic',
    title: `Closes all load balancers: no user reaches ${intent.from} any more, and open sessions are cut`,
    parameters: {
      value: closedValue(component),
      before: valuesBefore(component, states, backendOf(component, intent.from)),
      cut: backendOf(component, intent.from),
      ...lostWith(component, intent, states),
    },
  })
}

export function switchStep(component: Traffic, intent: Intent, states: BySite<HaproxyState> = {}): PlannedStep {
  return trafficStep(component, 'switch', intent.to, {
    phase: 'TRAFFIC',
    title: `Opens all load balancers to ${intent.to}, and verifies it from outside through each of them`,
    parameters: { value: backendOf(component, intent.to), site: intent.to, ...lostWith(component, intent, states) },
  })
}

/**
 * A rejoin takes no user of the active site anywhere; one that some load balancer still sends to the former site would
 * be served by nobody. Load balancers that stand in the former site came back with the value of before: they are led to
 * the active site, under the lock and before anything there is stopped or deleted. Where none stands there, nothing is
 * changed, and it is asserted before the lock is taken.
 */
export function stayStep(component: Traffic, intent: Intent): PlannedStep {
  const returned = component.spec.instances.filter(({ site }) => site === intent.to).map(({ host }) => host)
  const served = { value: backendOf(component, intent.from), site: intent.from }
  if (returned.length === 0)
    return trafficStep(component, 'stay', intent.from, {
      phase: 'PREFLIGHT',
      title: `Asserts that all load balancers serve ${intent.from}: no user reaches ${intent.to} while it is built anew`,
      parameters: served,
    })
  return trafficStep(component, 'stay', intent.from, {
    phase: 'DRAIN',
    title: `Leads ${returned.join(', ')}, which came back with ${intent.to}, to ${intent.from}, and asserts that all load balancers serve it`,
    parameters: { ...served, sets: returned, cut: backendOf(component, intent.to) },
  })
}

/**
 * One that was silent when the plan was made is asked once more; one that answered gets time for a restart, and no
 * more.
 */
const IF_SILENT: Milliseconds = seconds(1)
const IF_ANSWERING: Milliseconds = seconds(5)

/** The instances that are lost with the site, and for how long each is tried; nothing where none stands there. */
function lostWith(
  component: Traffic,
  { mode, from }: Intent,
  states: BySite<HaproxyState>,
): { readonly mayBeLost?: Record<string, number> } {
  const there = component.spec.instances.filter(({ site }) => site === from)
  if (mode !== 'failover' || there.length === 0) return {}
  const seen = states[EVERYWHERE]
  const answered = (host: string): boolean =>
    seen?.kind === 'answering' && seen.state.instances[host]?.kind === 'answering'
  return { mayBeLost: Object.fromEntries(there.map(({ host }) => [host, answered(host) ? IF_ANSWERING : IF_SILENT])) }
}

/**
 * One that stands in the lost site comes and goes while people decide: each of them is tried for the one time or for
 * the other.
 */
export const patienceVaries: Varies = (planned, now) =>
  isObject(planned) &&
  isObject(now) &&
  canonicalJson(Object.keys(planned).sort()) === canonicalJson(Object.keys(now).sort()) &&
  Object.values(planned).every((patience) => patience === IF_SILENT || patience === IF_ANSWERING)

/**
 * What each instance holds now, and gets back when the move is taken back; one that could not be asked is taken to
 * serve the active site.
 */
function valuesBefore(component: Traffic, states: BySite<HaproxyState>, otherwise: string): Record<string, string> {
  const seen = states[EVERYWHERE]
  return Object.fromEntries(
    component.spec.instances.map(({ host }) => {
      const view = seen?.kind === 'answering' ? seen.state.instances[host] : undefined
      return [host, (view?.kind === 'answering' ? view.runtime : null) ?? otherwise]
    }),
  )
}

function trafficStep(
  component: Traffic,
  action: string,
  site: SiteName | null,
  step: Pick<PlannedStep, 'phase' | 'title' | 'parameters' | 'fence'>,
): PlannedStep {
  return {
    id: `${component.name}.${action}${site === null ? '' : `@${site}`}`,
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
  done: (run) => withValue(run, allHold(run, planned(run))),
  apply: (run) => setAll(run, planned(run)),
  undo: (run) => setAll(run, before(run)),
  async undone(run) {
    const held = await allHold(run, before(run))
    // A site that was lost when this began served nobody before either.
    const site = run.intent?.mode === 'failover' ? null : siteBefore(run)
    return held.is === 'done' && site !== null
      ? both(held.proof, await servedFromOutside(run.component, site, run.signal))
      : held
  },
}

export const open: Behaviour<HaproxySpec> = {
  done: served,
  apply: (run) => setAll(run, planned(run)),
}

/**
 * Sets what came back, and nothing else: an instance that stands elsewhere and leads its users elsewhere is a person's
 * business.
 */
export const stay: Behaviour<HaproxySpec> = {
  done: served,
  async apply(run) {
    const sets = run.step.parameters.sets as readonly string[] | undefined
    if (sets !== undefined) await setAll(run, { ...planned(run), hosts: sets })
  },
}

async function served(run: Run): Promise<Progress> {
  const held = await withValue(run, allHold(run, planned(run)))
  return held.is === 'done'
    ? both(held.proof, await servedFromOutside(run.component, text(run, 'site'), run.signal, provenIn(held.proof)))
    : held
}

/** Whom nobody could set is not asked from outside either. */
const provenIn = ({ instances }: JsonObject): string[] =>
  (instances as readonly { readonly host: string }[]).map(({ host }) => host)

const both = (first: Extract<Progress, { is: 'done' }>['proof'], second: Progress): Progress =>
  second.is === 'done' ? { is: 'done', proof: { ...first, ...second.proof } } : second

async function withValue(run: Run, asked: Promise<Progress>): Promise<Progress> {
  const progress = await asked
  return progress.is === 'done' ? { is: 'done', proof: { value: text(run, 'value'), ...progress.proof } } : progress
}

function planned(run: Run): Wanted {
  const value = text(run, 'value')
  return { valueOf: () => value, cut: run.step.parameters.cut === undefined ? null : text(run, 'cut') }
}

function before(run: Run): Wanted {
  const values = run.step.parameters.before as Readonly<Record<string, string>>
  return { valueOf: (host) => values[host] ?? text(run, 'cut'), cut: null }
}

/** The site that all instances served before; null when they did not agree, or served nobody. */
function siteBefore(run: Run): string | null {
  const { backends, instances } = run.component.spec
  const values = new Set(instances.map(({ host }) => before(run).valueOf(host)))
  const [value] = values
  return values.size === 1 ? (Object.entries(backends).find(([, backend]) => backend === value)?.[0] ?? null) : null
}

const text = (run: Run, name: string): string => {
  const value = run.step.parameters[name]
  if (typeof value !== 'string') throw new Error(`${run.step.id} has no parameter ${name}`)
  return value
}
