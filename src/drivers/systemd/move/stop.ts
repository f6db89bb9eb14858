import type { Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { byName, listOf, orNull, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import type { Varies } from '../../../driver/varying.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import { isObject, type Json } from '../../../values/json.ts'
import { type Asking, type Host, type HostState, startUnits, stopUnits } from '../host.ts'
import { answeringHosts, type SystemdState } from '../observe.ts'
import { hostsAt, lookAtAll, siteOf, type UnitsRun } from '../run.ts'
import { stopByHand } from '../runbook.ts'
import { type Application, nameOf, type SystemdSpec } from '../spec.ts'
import { isStopped, startsAtBoot, stateInWords } from '../unit-state.ts'
import type { Before } from './parameters.ts'
import { servingOf } from './start.ts'

/** No unit of the site runs, no process of them is left, and no boot starts them. The undo brings `before` back. */
export const stopStep = (
  component: Application,
  site: SiteName,
  { phase, state, before }: { readonly phase: Phase; readonly state: SystemdState | null; readonly before: Before },
): DriverStep<Before> =>
  planStep(stop, site, {
    phase,
    fence: 'application',
    title: `Stops ${nameOf(component)} on ${site}, has no boot start it, and waits until no process of it is left`,
    deadline: stopsWithin(state) + minutes(1),
    expected: seconds(1),
    parameters: before,
  })

/** What ran on a site, by its state; null: it was not seen. Pure. */
export function beforeOf(state: SystemdState | null): Before {
  if (state === null) return { ran: null, enabled: null }
  const hosts = answeringHosts(state)
  const those = (kept: (unit: HostState['units'][string]) => boolean) =>
    Object.fromEntries(
      hosts.map(([name, { units }]) => [
        name,
        Object.entries(units)
          .filter(([, unit]) => kept(unit))
          .map(([unit]) => unit),
      ]),
    )
  return { ran: those((unit) => !isStopped(unit)), enabled: those((unit) => startsAtBoot(unit) === 'yes') }
}
export const NOTHING: Before = { ran: {}, enabled: {} }

/** The units of a host are stopped one after another, each within its TimeoutStopSec. Pure. */
export function stopsWithin(state: SystemdState | null): Milliseconds {
  if (state === null) return UNKNOWN
  const sums = answeringHosts(state).map(([, { units }]) =>
    Object.values(units).reduce((sum, { stopsWithin: own }) => sum + (own ?? UNKNOWN), 0),
  )
  return Math.min(Math.max(seconds(30), ...sums), LONGEST)
}
/** TimeoutStopSec is 90 s where nothing else is said; `infinity` is not waited for. */
const UNKNOWN: Milliseconds = minutes(5)
const LONGEST: Milliseconds = minutes(30)

interface Stopped extends Proof {
  /** Units that did not end by themselves: systemd ended them after TimeoutStopSec, or what was left was killed. */
  readonly killed: readonly string[]
}
interface Killed {
  readonly killed: readonly string[]
}
type Run = UnitsRun<Before, Killed>

const behaviour: Plain<SystemdSpec, Before, Stopped, Killed> = {
  is: 'plain',
  async done(run) {
    const seen = await lookAtAll(run.component, hostsAt(run.component, siteOf(run)), askingOf(run))
    const waiting = seen.flatMap(([host, { units }]) =>
      Object.entries(units).flatMap(([unit, one]) => {
        if (!isStopped(one)) return [`${unit} on ${host.name} to end, which is ${stateInWords(one)}`]
        if (one.queued) return [`${unit} on ${host.name}, whose start waits, to be taken back`]
        return startsAtBoot(one) === 'yes' ? [`${unit} on ${host.name} to be disabled`] : []
      }),
    )
    if (waiting.length > 0) return { is: 'pending', waitingFor: waiting.join('; ') }
    const timedOut = seen.flatMap(([host, { units }]) =>
      Object.entries(units).flatMap(([unit, { result }]) => (result === 'timeout' ? [`${unit} on ${host.name}`] : [])),
    )
    return { is: 'done', proof: { killed: [...new Set([...(run.memory.value?.killed ?? []), ...timedOut])] } }
  },
  async apply(run) {
    const { component, context, step } = run
    const stopped = hostsAt(component, siteOf(run)).map(async (host) =>
      (await stopUnits(host, WITHIN, askingOf(run))).map((unit) => `${unit} on ${host.name}`),
    )
    const killed = (await Promise.all(stopped)).flat()
    if (killed.length === 0) return
    run.memory.set({ killed })
    context.log.warning(`${step.id}: processes of ${killed.join(', ')} were left after the stop, and were killed`)
  },
  // Something else may have started a unit again meanwhile.
  nudge: {
    every: seconds(2),
    async send(run) {
      await Promise.all(hostsAt(run.component, siteOf(run)).map((host) => stopUnits(host, WITHIN, askingOf(run))))
    },
  },
  back: {
    async undo(run) {
      await Promise.all(
        hostsAt(run.component, siteOf(run)).map((host) => startUnits(host, broughtBack(run, host), askingOf(run))),
      )
    },
    async undone(run): Promise<Seen<Proof, never>> {
      const hosts = hostsAt(run.component, siteOf(run)).filter((host) => broughtBack(run, host).started.length > 0)
      const seen = (await lookAtAll(run.component, hosts, askingOf(run))).map(
        ([host, state]) => [host, onlyUnits(state, broughtBack(run, host))] as const,
      )
      // A site that was half lost when the step began may be unable to serve: it must only have started what ran.
      if (run.intent?.mode !== 'failover') return servingOf(seen, null)
      const stopped = seen.flatMap(([host, { units }]) =>
        Object.entries(units).flatMap(([unit, one]) =>
          isStopped(one) && one.active !== 'failed' ? [`${unit} on ${host.name}`] : [],
        ),
      )
      return stopped.length === 0
        ? { is: 'done', proof: {} }
        : { is: 'pending', waitingFor: `${stopped.join(', ')} to be started` }
    },
  },
}

/** One call may take as long as a stop. The deadline of the step bounds it. */
const WITHIN: Milliseconds = LONGEST

const isLists: Varies = (planned, now) => isListsOrNull(planned) && isListsOrNull(now)
const isListsOrNull = (value: Json | undefined): boolean => value === null || isObject(value)

export const stop: Action<SystemdSpec, Before, Stopped> = {
  name: 'stop',
  parameters: parametersOf<Before>({ ran: orNull(byName(listOf(TEXT))), enabled: orNull(byName(listOf(TEXT))) }),
  // A unit may crash and be started again between plan and execution.
  varies: { ran: isLists, enabled: isLists },
  behaviour,
  byHand: stopByHand,
}

const askingOf = ({ context, signal }: Run): Asking => ({ context, signal })

/** What the undo starts and enables on a host, in the order of its units. */
function broughtBack({ step: { parameters } }: Run, { name, units }: Host) {
  const those = (of: Before['ran']): string[] => units.filter((unit) => of === null || (of[name] ?? []).includes(unit))
  return { started: those(parameters.ran), enabled: those(parameters.enabled) }
}

/** What must be true of a host after the undo: only what ran counts, and it must be enabled only where it was. */
function onlyUnits(state: HostState, { started, enabled }: ReturnType<typeof broughtBack>): HostState {
  const units = Object.entries(state.units).flatMap(([unit, one]) =>
    started.includes(unit) ? [[unit, enabled.includes(unit) ? one : { ...one, file: 'enabled' }] as const] : [],
  )
  return { ...state, units: Object.fromEntries(units) }
}
