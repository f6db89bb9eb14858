import type { Intent, Phase } from '../../domain/plan.ts'
import type { Component } from '../../domain/stack.ts'
import { type Action, type ByHand, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, Seen, StepRun } from '../../driver/behaviour.ts'
import type { Moves } from '../../driver/capabilities.ts'
import { byName, listOf, NUMBER, optional, parametersOf, TEXT } from '../../driver/parameters.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { allHold, type HeldProof, setAll, type TrafficRun, type Wanted } from './all-instances.ts'
import type { LoadBalancers, Reading, SeenTraffic } from './load-balancers.ts'
import { lostWith, type MayBeLost, patienceVaries } from './lost-with-site.ts'
import { type ServedProof, servedFromOutside } from './served-from-outside.ts'

/** Closes the doors of `cut`, and cuts its sessions. `before`: what each instance gets back when that is taken back. */
export type Close = {
  readonly value: string
  readonly before: { readonly [name: string]: string }
  readonly cut: string
  readonly mayBeLost?: MayBeLost
}
/** Opens the doors to a site. */
export type Switch = { readonly value: string; readonly site: string; readonly mayBeLost?: MayBeLost }
/** `sets`: the instances that are led to the site first; absent: it is asserted only. */
export type Hold = {
  readonly value: string
  readonly site: string
  readonly sets?: readonly string[]
  readonly cut?: string
}

export type Closed = { readonly value: string } & HeldProof
export type Serves = Closed & ServedProof

export interface TrafficActions<Spec> {
  readonly close: Action<Spec, Close, Closed>
  readonly open: Action<Spec, Switch, Serves>
  readonly hold: Action<Spec, Hold, Serves>
}

/** What a person types in place of each step; it differs by the kind of load balancer. */
export interface TrafficByHand<Spec> {
  readonly close: ByHand<Spec, Close>
  readonly open: ByHand<Spec, Switch>
  readonly hold: ByHand<Spec, Hold>
}

const MAY_BE_LOST = optional(byName(NUMBER))

/** The three steps of traffic, over the instances of one kind of load balancer. */
export function trafficActions<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  byHand: TrafficByHand<Spec>,
): TrafficActions<Spec> {
  return {
    close: {
      name: 'close',
      parameters: parametersOf<Close>({ value: TEXT, before: byName(TEXT), cut: TEXT, mayBeLost: MAY_BE_LOST }),
      varies: { mayBeLost: patienceVaries },
      behaviour: closing(of),
      byHand: byHand.close,
    },
    open: {
      name: 'switch',
      parameters: parametersOf<Switch>({ value: TEXT, site: TEXT, mayBeLost: MAY_BE_LOST }),
      varies: { mayBeLost: patienceVaries },
      behaviour: opening(of),
      byHand: byHand.open,
    },
    hold: {
      name: 'hold',
      parameters: parametersOf<Hold>({ value: TEXT, site: TEXT, sets: optional(listOf(TEXT)), cut: optional(TEXT) }),
      behaviour: holding(of),
      byHand: byHand.hold,
    },
  }
}

/** The steps of each mode. Pure. */
export function trafficMoves<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  actions: TrafficActions<Spec>,
): Moves<Spec, SeenTraffic<R['view']>> {
  type State = SeenTraffic<R['view']>
  const closes = (component: Component<Spec>, seen: State, intent: Intent) =>
    closeStep(of, actions, component, intent, seen)
  const opens = (component: Component<Spec>, seen: State, intent: Intent) =>
    switchStep(of, actions, component, intent, seen)
  const both = (component: Component<Spec>, seen: State, intent: Intent) => [
    closes(component, seen, intent),
    opens(component, seen, intent),
  ]
  return {
    switchover: both,
    failover: both,
    rejoin: (component, _seen, intent) => [holdStep(of, actions, component, intent)],
    reopen: (component, seen, intent) => [opens(component, seen, intent)],
  }
}

/**
 * Traffic is closed while data moves: rejecting a write beats accepting and losing it. In a failover the step belongs
 * to no site: the load balancers stand outside the lost one, and nothing waits for that.
 */
function closeStep<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { close }: TrafficActions<Spec>,
  component: Component<Spec>,
  intent: Intent,
  seen: SeenTraffic,
): DriverStep {
  const cut = of.valueOf(component, intent.from)
  return planStep(close, intent.mode === 'failover' ? null : intent.from, {
    ...times('DRAIN'),
    fence: 'traffic',
    title: `Closes all load balancers: no user reaches ${intent.from} any more, and open sessions are cut`,
    parameters: {
      value: of.closedValue(component),
      before: valuesBefore(of, component, seen, cut),
      cut,
      ...lostWith(of.instances(component), intent, seen),
    },
  })
}

function switchStep<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { open }: TrafficActions<Spec>,
  component: Component<Spec>,
  intent: Intent,
  seen: SeenTraffic,
): DriverStep {
  return planStep(open, intent.to, {
    ...times('TRAFFIC'),
    title: `Opens all load balancers to ${intent.to}, and verifies it from outside through each of them`,
    parameters: {
      value: of.valueOf(component, intent.to),
      site: intent.to,
      ...lostWith(of.instances(component), intent, seen),
    },
  })
}

/**
 * A rejoin moves no user of the active site. A load balancer that still sends users to the former site would leave them
 * unserved. Load balancers that stand in the former site come back with the value of before: they are led to the active
 * site, under the lock and before anything there is stopped or deleted. Where none stands there, nothing is changed,
 * and it is asserted before the lock is taken.
 */
function holdStep<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { hold }: TrafficActions<Spec>,
  component: Component<Spec>,
  intent: Intent,
): DriverStep {
  const returned = of
    .instances(component)
    .filter(({ site }) => site === intent.to)
    .map(({ name }) => name)
  const served = { value: of.valueOf(component, intent.from), site: intent.from }
  if (returned.length === 0)
    return planStep(hold, intent.from, {
      ...times('PREFLIGHT'),
      title: `Asserts that all load balancers serve ${intent.from}: no user reaches ${intent.to} while it is built anew`,
      parameters: served,
    })
  return planStep(hold, intent.from, {
    ...times('DRAIN'),
    title: `Leads ${returned.join(', ')}, which came back with ${intent.to}, to ${intent.from}, and asserts that all load balancers serve it`,
    parameters: { ...served, sets: returned, cut: of.valueOf(component, intent.to) },
  })
}

const times = (phase: Phase) => ({ phase, deadline: minutes(2), expected: seconds(0.4) })

/**
 * What each instance holds now, and gets back when the move is taken back; one that could not be asked is taken to
 * serve the active site.
 */
function valuesBefore<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  seen: SeenTraffic,
  otherwise: string,
): Record<string, string> {
  return Object.fromEntries(
    of.instances(component).map(({ name }) => {
      const view = seen.kind === 'answering' ? seen.state.instances[name] : undefined
      return [name, (view?.kind === 'answering' ? view.runtime : null) ?? otherwise]
    }),
  )
}

function closing<Spec, R extends Reading>(of: LoadBalancers<Spec, R>): Plain<Spec, Close, Closed> {
  const wanted = ({ step: { parameters } }: StepRun<Spec, Close>): Wanted => ({
    valueOf: () => parameters.value,
    cut: parameters.cut,
  })
  const before = ({ step: { parameters } }: StepRun<Spec, Close>): Wanted => ({
    valueOf: (name) => parameters.before[name] ?? parameters.cut,
    cut: null,
    endsEarlier: true,
  })
  return {
    is: 'plain',
    done: (run) => withValue(run.step.parameters.value, allHold(of, run, wanted(run))),
    apply: (run) => setAll(of, run, wanted(run)),
    back: {
      undo: (run) => setAll(of, run, before(run)),
      async undone(run) {
        const held = await allHold(of, run, before(run))
        // A site that was lost when this began served no user before either.
        const site = run.intent?.mode === 'failover' ? null : siteBefore(of, run.component, before(run))
        return held.is === 'done' && site !== null ? servedToo(of, run, site, held.proof) : held
      },
    },
  }
}

/** The site that all instances served before; null when they did not agree, or served none. */
function siteBefore<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  before: Wanted,
): string | null {
  const values = new Set(of.instances(component).map(({ name }) => before.valueOf(name)))
  const [value] = values
  return values.size === 1 ? of.siteOf(component, value ?? null) : null
}

function opening<Spec, R extends Reading>(of: LoadBalancers<Spec, R>): Plain<Spec, Switch, Serves> {
  return {
    is: 'plain',
    done: (run) => served(of, run, { endsEarlier: true }),
    apply: (run) => setAll(of, run, { ...leadingTo(run.step.parameters), endsEarlier: true }),
    back: { is: 'irreversible' },
  }
}

/**
 * Sets what came back, and nothing else: an instance that stands elsewhere and leads its users elsewhere is for a
 * person to decide.
 */
function holding<Spec, R extends Reading>(of: LoadBalancers<Spec, R>): Plain<Spec, Hold, Serves> {
  return {
    is: 'plain',
    done: (run) => served(of, run),
    async apply(run) {
      const { parameters } = run.step
      if (parameters.sets !== undefined) await setAll(of, run, { ...leadingTo(parameters), names: parameters.sets })
    },
    back: { is: 'leaves-nothing', because: 'a load balancer that leads users to the active site is right either way' },
  }
}

const leadingTo = ({ value, cut }: { readonly value: string; readonly cut?: string }): Wanted => ({
  valueOf: () => value,
  cut: cut ?? null,
})

async function served<Spec, R extends Reading, P extends Switch | Hold>(
  of: LoadBalancers<Spec, R>,
  run: StepRun<Spec, P>,
  more: Pick<Wanted, 'endsEarlier'> = {},
): Promise<Seen<Serves, never>> {
  const { parameters } = run.step
  const held = await withValue(parameters.value, allHold(of, run, { ...leadingTo(parameters), ...more }))
  return held.is === 'done' ? servedToo(of, run, parameters.site, held.proof) : held
}

/** An instance that could not be set is not asked from outside either. */
async function servedToo<Spec, R extends Reading, Held extends HeldProof>(
  of: LoadBalancers<Spec, R>,
  { component, context, signal, step }: TrafficRun<Spec>,
  site: string,
  held: Held,
): Promise<Seen<Held & ServedProof, never>> {
  const proven = new Set(held.instances.map(({ host }) => host))
  const instances = of.instances(component).filter(({ name }) => proven.has(name))
  const outside = await servedFromOutside(instances, of.verification(component), site, {
    context,
    signal,
    mayBeLost: step.parameters.mayBeLost,
  })
  return outside.is === 'done' ? { is: 'done', proof: { ...held, ...outside.proof } } : outside
}

async function withValue(value: string, asked: ReturnType<typeof allHold>): Promise<Seen<Closed, never>> {
  const held = await asked
  return held.is === 'done' ? { is: 'done', proof: { value, ...held.proof } } : held
}
