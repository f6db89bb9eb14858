import { executePreparedQuery } from '../../../clients/consul/prepared-queries.ts'
import type { Intent, Phase } from '../../../domain/plan.ts'
import { type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import type { Moves, StatesPerSite } from '../../../driver/capabilities.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import type { TrafficRun } from '../../../systems/traffic/all-instances.ts'
import { reachOf } from '../../../systems/traffic/load-balancers.ts'
import { lostWith, type MayBeLost } from '../../../systems/traffic/lost-with-site.ts'
import { type Serves, trafficActions } from '../../../systems/traffic/move-traffic.ts'
import { minutes, readableDuration, seconds } from '../../../values/duration.ts'
import { askSite } from '../ask.ts'
import type { ConsulState } from '../observe.ts'
import { CLOSED, type ConsulSpec, datacenterOf, type Federation, longestTtl, queriesOf } from '../spec.ts'
import { byHand } from './by-hand.ts'
import { type ConsulReading, isRedirect, leaders, leadersOf, seenLeaders } from './load-balancers.ts'
import { valuesOf } from './queries.ts'

type States = StatesPerSite<ConsulState>

const flips = trafficActions<ConsulSpec, ConsulReading>(leaders, byHand)

/** Closes the look-ups of the site that the stack leaves, and believes it after the longest TTL. */
export const close: typeof flips.close = {
  ...flips.close,
  behaviour: closedAfterTtl(flips.close.behaviour),
}
/** Leads all look-ups to the new site, and has every datacenter answer them so. */
export const open: typeof flips.open = { ...flips.open, behaviour: answeredToo(flips.open.behaviour) }
export const { hold } = flips
export const flipActions = [close, open, hold]

type Behaviour<A extends { readonly behaviour: unknown }> = A['behaviour']

/** Done once the doors were seen closed for the longest TTL: a process that takes the step over waits for it anew. */
export function closedAfterTtl(flip: Behaviour<typeof flips.close>): Behaviour<typeof flips.close> {
  if (flip.is !== 'plain') return flip
  return {
    ...flip,
    async done(run) {
      const seen = await flip.done(run)
      const ttl = longestTtl(run.component)
      if (seen.is !== 'done') run.memory.set(undefined)
      if (seen.is !== 'done' || ttl === 0) return seen
      const now = run.context.clock.now().getTime()
      // The last datacenter may be closed long after the step has begun.
      const closedAt = typeof run.memory.value === 'number' ? run.memory.value : now
      run.memory.set(closedAt)
      if (now - closedAt > ttl) return seen
      return { is: 'pending', waitingFor: `resolvers to forget their answers, ${readableDuration(ttl)}` }
    },
  }
}

function answeredToo(flip: Behaviour<typeof flips.open>): Behaviour<typeof flips.open> {
  if (flip.is !== 'plain') return flip
  return {
    ...flip,
    async done(run): Promise<Seen<Serves, never>> {
      const seen = await flip.done(run)
      if (seen.is !== 'done') return seen
      const wrong = await Promise.all(
        seen.proof.instances
          .map(({ host }) => host)
          .filter((host) => !isRedirect(host))
          .map((host) => wrongAnswers(run, host, run.step.parameters.value)),
      )
      const waitingFor = wrong.flat()
      return waitingFor.length === 0 ? seen : { is: 'pending', waitingFor: waitingFor.join(', ') }
    },
  }
}

/** What the queries of one datacenter answer with instead of instances of the wanted one. */
async function wrongAnswers(run: TrafficRun<ConsulSpec>, site: string, value: string): Promise<string[]> {
  const { component, context, signal, step } = run
  const patience = step.parameters.mayBeLost?.[site] ?? null
  const client = askSite(component, site, context, { signal, reach: reachOf({ site }, patience) })
  const answers = await Promise.all(
    queriesOf(component).map(async ([name]) => {
      const wanted = `${name} of ${datacenterOf(component, site)} to answer with instances of ${value}`
      try {
        const answer = await executePreparedQuery(client, name)
        const isRight = answer !== null && answer.datacenter === value && answer.instances.length > 0
        return isRight ? [] : [`${wanted} (${answer?.instances.length ?? 0} of ${answer?.datacenter ?? 'none'})`]
      } catch (error) {
        signal.throwIfAborted()
        return [`${wanted} (${asStandbyError(error).message})`]
      }
    }),
  )
  return answers.flat()
}

/** The steps of each mode; none where nothing is declared that leads traffic. Pure. */
export const moves: Moves<ConsulSpec, States> = {
  switchover: (component, states, intent) => [
    ...closeSteps(component, states, intent),
    ...openSteps(component, states, intent),
  ],
  failover: (component, states, intent) => [
    ...closeSteps(component, states, intent),
    ...openSteps(component, states, intent),
  ],
  rejoin: (component, _states, intent) => holdSteps(component, intent),
  reopen: (component, states, intent) => openSteps(component, states, intent),
}

/**
 * Look-ups are closed while data moves, as the doors of load balancers are. It is no fence of its own: a user that has
 * an address, or a connection, keeps it.
 */
function closeSteps(component: Federation, states: States, intent: Intent): DriverStep[] {
  const instances = leadersOf(component)
  if (instances.length === 0) return []
  const seen = seenLeaders(component, states)
  const cut = datacenterOf(component, intent.from)
  // Queries that are half switched, or of another definition, hold nothing that could be given back.
  const canBeSet = (name: string, value: string): boolean => isRedirect(name) || valuesOf(component).includes(value)
  const before = instances.map(({ name }) => {
    const view = seen.kind === 'answering' ? seen.state.instances[name] : undefined
    const held = view?.kind === 'answering' ? view.runtime : null
    return [name, held !== null && canBeSet(name, held) ? held : cut]
  })
  return [
    planStep(close, intent.mode === 'failover' ? null : intent.from, {
      ...times('DRAIN'),
      title: `Closes the look-ups of Consul: none is answered with an instance of ${intent.from} any more`,
      parameters: {
        value: CLOSED,
        before: Object.fromEntries(before) as Record<string, string>,
        cut,
        ...lostOf(component, states, intent),
      },
    }),
  ]
}

const openSteps = (component: Federation, states: States, intent: Intent): DriverStep[] =>
  leadersOf(component).length === 0
    ? []
    : [
        planStep(open, intent.to, {
          ...times('TRAFFIC'),
          title: `Leads the look-ups of Consul to ${intent.to}, and has every datacenter that lives answer them so`,
          parameters: {
            value: datacenterOf(component, intent.to),
            site: intent.to,
            ...lostOf(component, states, intent),
          },
        }),
      ]

/** What came back with its site still leads to it: it is led to the active one before anything is stopped there. */
function holdSteps(component: Federation, intent: Intent): DriverStep[] {
  const returned = leadersOf(component)
    .filter(({ site }) => site === intent.to)
    .map(({ name }) => name)
  if (leadersOf(component).length === 0) return []
  return [
    planStep(hold, intent.from, {
      ...times(returned.length === 0 ? 'PREFLIGHT' : 'DRAIN'),
      title: `Leads what came back with ${intent.to} to ${intent.from}, and asserts that all look-ups of Consul lead there`,
      parameters: {
        value: datacenterOf(component, intent.from),
        site: intent.from,
        ...(returned.length === 0 ? {} : { sets: returned }),
      },
    }),
  ]
}

const lostOf = (component: Federation, states: States, intent: Intent): { readonly mayBeLost?: MayBeLost } =>
  lostWith(leadersOf(component), intent, seenLeaders(component, states))

const times = (phase: Phase) => ({ phase, deadline: minutes(2), expected: seconds(0.5) })
