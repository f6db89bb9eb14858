import { overWay, SILENCE, type Trips, type Way } from '../../clients/patience.ts'
import { measuredWay, sshAddress } from '../../clients/round-trip.ts'
import type { Intent } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import { runningFor } from '../../driver/running-for.ts'
import { asStandbyError, StandbyError, siteError } from '../../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { holds, type InstanceState, readInstance, setValue } from './instance.ts'
import { runnerFor } from './observe.ts'
import type { HaproxySpec } from './spec.ts'

type Run = StepRun<HaproxySpec>

/** What the instances are to hold: a value for each, and perhaps a backend on which no session is left. */
export interface Wanted {
  valueOf(host: string): string
  readonly cut: string | null
  /** The instances that are set; all where it is absent. */
  readonly hosts?: readonly string[]
}

/** One that says nothing for so long is gone: a move that has closed the others must not wait for it in silence. */
const PATIENCE: Milliseconds = seconds(20)
/** Over 1.5 s a login alone takes 18 to 45 s, and may have to be made again: 70 s. The step has two minutes. */
const FAR: Trips = { trips: 40, most: seconds(75) }

/** For how long an instance is tried, by the way to it. Pure. */
export const triedFor = (way: Way): Milliseconds => overWay(way, PATIENCE, FAR)
/** Sessions that were on their way to a server while the first cut was made. */
const MORE_CUTS = 5

/** How long a question to an instance of the lost site may take at most. */
const QUESTION: Milliseconds = seconds(2)

/**
 * For how long each instance of the lost site is tried, in milliseconds: what the plan says. Then the move goes on
 * without it, for it is gone with its site. Every other instance counts.
 */
function mayBeLost(run: Run, host: string): Milliseconds | null {
  const lost = run.step.parameters.mayBeLost as Readonly<Record<string, Milliseconds>> | undefined
  return lost?.[host] ?? null
}

/**
 * Every instance, at run time and in its file, with a proof of each; one that is half switched is named, and switched
 * again. Those of the lost site that are left out are named too.
 */
export async function allHold(run: Run, wanted: Wanted): Promise<Progress> {
  const hosts = run.component.spec.instances.map(({ host }) => host)
  const seen = await Promise.all(hosts.map((host) => viewOf(run, host)))
  const tried = runningFor(run)
  const silent: string[] = []
  const waiting: string[] = []
  const proofs: JsonObject[] = []
  const leftOut: JsonObject[] = []
  for (const [index, host] of hosts.entries()) {
    const view = seen[index]
    const patience = mayBeLost(run, host)
    if (view === undefined || view instanceof StandbyError) {
      if (patience === null) silent.push(`${host} to answer (${view?.message ?? ''})`)
      else leftOut.push({ host, why: `it stands in the lost site and does not answer: ${view?.message ?? ''}` })
    } else {
      const value = wanted.valueOf(host)
      const sessions = sessionsOf(view, wanted)
      const late = patience !== null && tried > patience && (!holds(view, value) || sessions > 0)
      if (late)
        leftOut.push({
          host,
          why: `it stands in the lost site and was not set: it holds ${view.runtime ?? 'nothing'}, ${sessions} sessions`,
        })
      else if (!holds(view, value)) waiting.push(`${host} to hold ${value}`)
      else if (sessions > 0) waiting.push(`${sessions} sessions of ${wanted.cut} on ${host} to end`)
      else proofs.push({ host, runtime: view.runtime, file: view.file, ...(wanted.cut === null ? {} : { sessions }) })
    }
  }
  // What is known to differ is worth setting again; what can not be seen may be as it should.
  if (waiting.length > 0) return { is: 'pending', waitingFor: [...waiting, ...silent].join(', ') }
  if (silent.length > 0) return { is: 'unknown', why: silent.join(', ') }
  // Of nothing at all there is no proof, and users whom nobody leads are not served.
  if (proofs.length === 0)
    return { is: 'unknown', why: `no load balancer answers: ${leftOut.map(({ host }) => host).join(', ')}` }
  return { is: 'done', proof: { instances: proofs, ...(leftOut.length === 0 ? {} : { leftOut }) } }
}

async function viewOf(run: Run, host: string): Promise<InstanceState | StandbyError> {
  const patience = mayBeLost(run, host)
  try {
    const runner = await runnerFor(run.component, host, run.context, questionOf(patience))
    return (await readInstance(runner, host, run.component.spec, run.signal)).view
  } catch (error) {
    run.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (patience === null && reason.retry === 'never') throw reason
    return reason
  }
}

/** undefined: as long as any question. */
const questionOf = (patience: Milliseconds | null): Milliseconds | undefined =>
  patience === null ? undefined : Math.min(patience, QUESTION)

const sessionsOf = (view: InstanceState, { cut }: Wanted): number =>
  cut === null ? 0 : (view.backends[cut]?.sessions ?? 0)

/**
 * Sets all instances side by side, also when one can not be set; throws what the first of those said. Those of the lost
 * site are tried, and not insisted on.
 */
export async function setAll(run: Run, wanted: Wanted): Promise<void> {
  const hosts = wanted.hosts ?? run.component.spec.instances.map(({ host }) => host)
  const results = await Promise.allSettled(hosts.map((host) => setPatiently(run, host, wanted)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function setPatiently(run: Run, host: string, wanted: Wanted): Promise<void> {
  const { clock } = run.context
  const lost = mayBeLost(run, host)
  const way = measuredWay(sshAddress(host, run.component.spec.ssh.port), SILENCE)
  const begun = clock.now().getTime()
  for (;;) {
    try {
      return await setInstance(run, host, wanted)
    } catch (error) {
      const reason = asStandbyError(error)
      run.signal.throwIfAborted()
      const patience = lost ?? triedFor(way)
      const over = clock.now().getTime() - begun >= patience
      if (lost !== null && (over || reason.retry === 'never')) return leave(run, host, reason)
      if (reason.retry === 'never') throw reason
      if (over) throw gone(run, host, wanted, { patience, reason })
      await clock.sleep(500, run.signal)
    }
  }
}

async function setInstance(run: Run, host: string, wanted: Wanted): Promise<void> {
  const { component, context, signal } = run
  const runner = await runnerFor(component, host, context, questionOf(mayBeLost(run, host)))
  const value = wanted.valueOf(host)
  let before = await readInstance(runner, host, component.spec, signal)
  if (holds(before.view, value) && sessionsOf(before.view, wanted) === 0) return
  for (let cuts = 0; cuts <= MORE_CUTS; cuts++) {
    const left = await setValue(runner, host, component.spec, { value, before, cut: wanted.cut }, signal)
    if (left === 0) return
    await context.clock.sleep(100, signal)
    before = { ...before, view: { ...before.view, runtime: value, file: value } }
  }
}

const leave = (run: Run, host: string, reason: StandbyError): void =>
  run.context.log.warning(`${host} stands in the lost site and is left out: ${reason.message}`)

interface Silence {
  readonly patience: Milliseconds
  readonly reason: StandbyError
}
const gone = (run: Run, host: string, wanted: Wanted, { patience, reason }: Silence): StandbyError =>
  siteError('load-balancer-silent', `${host} did not answer for ${readableDuration(patience)}: ${reason.message}`, {
    where: host,
    next:
      wanted.cut === null
        ? 'Its users are not where the others are. Restore it, then resume this run.'
        : `It may still send its users to ${wanted.cut}. ${waysOut(run.intent)}`,
  })

/** What to do about an instance that nobody can ask. */
export function waysOut(intent: Intent | null): string {
  const lost =
    intent?.mode === 'failover' ? `if it stands in ${intent.from}, declare \`site: ${intent.from}\` for it; or ` : ''
  return `Restore it; ${lost === '' ? 'or ' : lost}take it out of service and out of instances; then make a new plan.`
}
