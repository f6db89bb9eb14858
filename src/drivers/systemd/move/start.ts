import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type Asking, type Host, type HostState, lastWordsOf, startUnits } from '../host.ts'
import { serves } from '../observe.ts'
import { hostsAt, lookAtAll, siteOf, type UnitsRun } from '../run.ts'
import { startByHand } from '../runbook.ts'
import { type Application, nameOf, type SystemdSpec } from '../spec.ts'
import { isStopped, isUp, startsAtBoot, stateInWords } from '../unit-state.ts'
import type { Start } from './parameters.ts'

/** The units run on these hosts, their pages of health are as declared, and a boot starts them. */
export const startStep = (component: Application, { to }: Intent, hosts: readonly string[]): DriverStep<Start> =>
  planStep(start, to, {
    phase: 'START',
    title: `Starts ${nameOf(component)} on ${to} and waits until every host serves`,
    deadline: minutes(10),
    expected: seconds(4),
    parameters: { hosts },
  })

/**
 * How long a unit that does not come up at once is started again: load balancers need some seconds to find the new
 * primary, and by then a unit with a short RestartSec has used up its start limit.
 */
const GRACE: Milliseconds = seconds(20)
const AGAIN: Milliseconds = seconds(2)
/** How long units without a page of health must stay up: one that ends at once is up for an instant, too. */
const STAYS: Milliseconds = seconds(1.5)

export interface Serving extends Proof {
  readonly hosts: readonly string[]
  readonly version: string | null
}
/** `startedAt`, `since`: milliseconds since 1970. `up`: all units have been up since then, with so many restarts. */
interface Started {
  readonly startedAt?: number
  readonly up?: { readonly since: number; readonly restarts: string }
}
type Run = UnitsRun<Start, Started>

const behaviour: Plain<SystemdSpec, Start, Serving, Started> = {
  is: 'plain',
  async done(run) {
    const seen = await lookAtAll(run.component, hostsOfStart(run), askingOf(run))
    const { startedAt } = run.memory.value ?? {}
    const gaveUp = run.applied && startedAt !== undefined && run.context.clock.now().getTime() - startedAt >= GRACE
    const serving = await servingOf(seen, gaveUp ? (host, unit) => lastWordsOf(host, unit, askingOf(run)) : null)
    if (serving.is === 'done') return onceTheyStay(run, seen, serving)
    run.memory.set(startedAt === undefined ? {} : { startedAt })
    return serving
  },
  async apply(run) {
    run.memory.set({ ...run.memory.value, startedAt: run.context.clock.now().getTime() })
    await Promise.all(hostsOfStart(run).map((host) => startUnits(host, allOf(host), askingOf(run))))
  },
  nudge: {
    every: AGAIN,
    async send(run) {
      const seen = await lookAtAll(run.component, hostsOfStart(run), askingOf(run))
      const stopped = seen.filter(([, { units }]) => Object.values(units).some(isStopped)).map(([host]) => host)
      await Promise.all(stopped.map((host) => startUnits(host, allOf(host), askingOf(run))))
    },
  },
  back: { is: 'irreversible' },
}

export const start: Action<SystemdSpec, Start, Serving> = {
  name: 'start',
  parameters: parametersOf<Start>({ hosts: listOf(TEXT) }),
  // A host may fall silent, or answer again, between plan and execution.
  varies: { hosts: (planned, now) => Array.isArray(planned) && Array.isArray(now) && planned.length > 0 },
  behaviour,
  byHand: startByHand,
}

/** A page of health answers for what stays up. Without one, two looks must find the same start of each unit. */
function onceTheyStay(
  run: Run,
  seen: readonly (readonly [Host, HostState])[],
  serving: Seen<Serving, never>,
): Seen<Serving, never> {
  if (run.component.spec.health !== undefined) return serving
  const now = run.context.clock.now().getTime()
  const restarts = JSON.stringify(seen.map(([, { units }]) => Object.values(units).map((unit) => unit.restarts)))
  const { up } = run.memory.value ?? {}
  if (up?.restarts !== restarts) run.memory.set({ ...run.memory.value, up: { since: now, restarts } })
  else if (now - up.since >= STAYS) return serving
  return { is: 'pending', waitingFor: `${nameOf(run.component)} to stay up for ${STAYS / 1_000} s` }
}

const allOf = ({ units }: Host) => ({ started: units, enabled: units })
const askingOf = ({ context, signal }: Run): Asking => ({ context, signal })
const hostsOfStart = (run: Run): Host[] =>
  hostsAt(run.component, siteOf(run)).filter(({ name }) => run.step.parameters.hosts.includes(name))

/**
 * Whether all hosts serve. `wordsOf` is given once a unit that does not come up counts as a failure: it reads the last
 * lines of the journal of that unit.
 */
export async function servingOf(
  seen: readonly (readonly [Host, HostState])[],
  wordsOf: ((host: Host, unit: string) => Promise<string>) | null,
): Promise<Seen<Serving, never>> {
  const waiting: string[] = []
  for (const [host, state] of seen) {
    for (const [unit, one] of Object.entries(state.units)) {
      if (isUp(one) && startsAtBoot(one) !== 'no') continue
      waiting.push(
        isUp(one) ? `${unit} on ${host.name} to be enabled` : `${unit} on ${host.name}, which is ${stateInWords(one)}`,
      )
      const crashes = one.active === 'failed' || one.restarts >= 2
      if (wordsOf === null || isUp(one) || !crashes) continue
      const words = await wordsOf(host, unit)
      return {
        is: 'failed',
        code: codes.code['systemd-start-failed'],
        why: `${unit} on ${host.name} does not stay up (${one.result}): ${words === '' ? 'its journal says nothing' : words}`,
        next: `journalctl -u ${unit} on ${host.name}`,
      }
    }
    if (waiting.length === 0 && !serves(state))
      waiting.push(`${host.name} to be healthy (${state.unhealthy ?? 'no answer'})`)
  }
  if (waiting.length > 0) return { is: 'pending', waitingFor: waiting.join('; ') }
  const [version = null] = seen.flatMap(([, state]) => (state.version === null ? [] : [state.version]))
  return { is: 'done', proof: { hosts: seen.map(([{ name }]) => name), version } }
}
