import { overWay, SILENCE, type Trips, type Way } from '../../clients/patience.ts'
import { measuredWay } from '../../clients/round-trip.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { runningFor } from '../../driver/running-for.ts'
import { asStandbyError, StandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { holds, type Instance, type LoadBalancers, type Reading, reachOf } from './load-balancers.ts'
import { type MayBeLost, waysOut } from './lost-with-site.ts'

/** A step that asks and sets instances: some of them may be lost with their site. */
export type TrafficRun<Spec> = StepRun<Spec, JsonObject & { readonly mayBeLost?: MayBeLost }, unknown>

/** What the instances are to hold: a value for each, and perhaps a value on which no session is left. */
export interface Wanted {
  valueOf(name: string): string
  readonly cut: string | null
  /** No session is left that an earlier setting still leads, such as one that finds closed doors. */
  readonly endsEarlier?: true
  /** The instances that are set; all where it is absent. */
  readonly names?: readonly string[]
}

/** An instance that is silent for so long is gone: a move that has closed the others must not wait for it silently. */
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
const mayBeLost = <Spec>({ step }: TrafficRun<Spec>, name: string): Milliseconds | null =>
  step.parameters.mayBeLost?.[name] ?? null

/** What is on record of all instances. */
export type HeldProof = Proof & {
  readonly instances: readonly InstanceProof[]
  /** Instances of the lost site that were not set, and why. */
  readonly leftOut?: readonly { readonly host: string; readonly why: string }[]
}
export type InstanceProof = {
  readonly host: string
  readonly runtime: string | null
  readonly file: string | null
  /** Open sessions of what was cut; absent where nothing was. */
  readonly sessions?: number
}
export type AllHeld =
  | { readonly is: 'done'; readonly proof: HeldProof }
  | { readonly is: 'pending'; readonly waitingFor: string }
  | { readonly is: 'unknown'; readonly why: string }

/**
 * Whether every instance holds its value, at run time and in its file, with a proof of each; one that is half switched
 * is named, and switched again. Those of the lost site that are left out are named too.
 */
export async function allHold<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  wanted: Wanted,
): Promise<AllHeld> {
  const instances = of.instances(run.component)
  const seen = await Promise.all(instances.map((instance) => viewOf(of, run, instance)))
  const tried = runningFor(run)
  const silent: string[] = []
  const waiting: string[] = []
  const proofs: InstanceProof[] = []
  const leftOut: { readonly host: string; readonly why: string }[] = []
  for (const [index, { name: host }] of instances.entries()) {
    const view = seen[index]
    const patience = mayBeLost(run, host)
    if (view === undefined || view instanceof StandbyError) {
      if (patience === null) silent.push(`${host} to answer (${view?.message ?? ''})`)
      else leftOut.push({ host, why: `it stands in the lost site and does not answer: ${view?.message ?? ''}` })
    } else {
      const value = wanted.valueOf(host)
      const sessions = sessionsOf(of, view, wanted)
      const late = patience !== null && tried > patience && (!holds(view, value) || sessions > 0)
      if (late)
        leftOut.push({
          host,
          why: `it stands in the lost site and was not set: it holds ${view.runtime ?? 'nothing'}, ${sessions} sessions`,
        })
      else if (!holds(view, value)) waiting.push(`${host} to hold ${value}`)
      else if (sessions > 0)
        waiting.push(`${sessions} sessions of ${wanted.cut ?? 'an earlier setting'} on ${host} to end`)
      else proofs.push({ host, runtime: view.runtime, file: view.file, ...(wanted.cut === null ? {} : { sessions }) })
    }
  }
  // What is known to differ is worth setting again; what cannot be seen may be as it should.
  if (waiting.length > 0) return { is: 'pending', waitingFor: [...waiting, ...silent].join(', ') }
  if (silent.length > 0) return { is: 'unknown', why: silent.join(', ') }
  // An empty list of instances proves nothing, and users that no instance leads are not served.
  if (proofs.length === 0)
    return { is: 'unknown', why: `no load balancer answers: ${leftOut.map(({ host }) => host).join(', ')}` }
  return { is: 'done', proof: { instances: proofs, ...(leftOut.length === 0 ? {} : { leftOut }) } }
}

async function viewOf<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  instance: Instance,
): Promise<R['view'] | StandbyError> {
  const patience = mayBeLost(run, instance.name)
  try {
    return (await (await reached(of, run, instance)).read(run.signal)).view
  } catch (error) {
    run.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (patience === null && reason.retry === 'never') throw reason
    return reason
  }
}

function reached<Spec, R extends Reading>(of: LoadBalancers<Spec, R>, run: TrafficRun<Spec>, instance: Instance) {
  const patience = mayBeLost(run, instance.name)
  return of.reach(run.component, instance.name, run.context, {
    reach: reachOf(instance, patience),
    ...(patience === null ? {} : { deadline: Math.min(patience, QUESTION) }),
  })
}

const sessionsOf = <Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  view: R['view'],
  { cut, endsEarlier }: Wanted,
): number => (cut === null && endsEarlier === undefined ? 0 : of.sessions(view, cut))

/**
 * Sets all instances side by side, also when one cannot be set; throws what the first of those said. Those of the lost
 * site are tried, and not insisted on.
 */
export async function setAll<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  wanted: Wanted,
): Promise<void> {
  const { names } = wanted
  const instances = of.instances(run.component).filter(({ name }) => names === undefined || names.includes(name))
  const results = await Promise.allSettled(instances.map((instance) => setPatiently(of, run, instance, wanted)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function setPatiently<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  instance: Instance,
  wanted: Wanted,
): Promise<void> {
  const { clock } = run.context
  const lost = mayBeLost(run, instance.name)
  const way = measuredWay(of.address(run.component, instance.name), SILENCE)
  const begun = clock.now().getTime()
  for (;;) {
    try {
      return await setInstance(of, run, instance, wanted)
    } catch (error) {
      const reason = asStandbyError(error)
      run.signal.throwIfAborted()
      const patience = lost ?? triedFor(way)
      const over = clock.now().getTime() - begun >= patience
      if (lost !== null && (over || reason.retry === 'never')) return leave(run, instance, reason)
      if (reason.retry === 'never') throw reason
      if (over) throw gone(of, run, { instance, wanted, patience, reason })
      await clock.sleep(500, run.signal)
    }
  }
}

async function setInstance<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  instance: Instance,
  wanted: Wanted,
): Promise<void> {
  const { context, signal } = run
  const asked = await reached(of, run, instance)
  const value = wanted.valueOf(instance.name)
  let before = await asked.read(signal)
  if (holds(before.view, value) && sessionsOf(of, before.view, wanted) === 0) return
  for (let cuts = 0; cuts <= MORE_CUTS; cuts++) {
    const left = await asked.set({ value, before, cut: wanted.cut }, signal)
    if (left === 0) return
    await context.clock.sleep(100, signal)
    before = { ...before, view: { ...before.view, runtime: value, file: value } }
  }
}

const leave = <Spec>(run: TrafficRun<Spec>, { name }: Instance, reason: StandbyError): void =>
  run.context.log.warning(`${name} stands in the lost site and is left out: ${reason.message}`)

interface Silence {
  readonly instance: Instance
  readonly wanted: Wanted
  readonly patience: Milliseconds
  readonly reason: StandbyError
}
const gone = <Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  run: TrafficRun<Spec>,
  { instance: { name }, wanted, patience, reason }: Silence,
): StandbyError =>
  of.codes.error(
    'load-balancer-silent',
    `${name} did not answer for ${readableDuration(patience)}: ${reason.message}`,
    {
      where: name,
      retry: 'never',
      next:
        wanted.cut === null
          ? 'Its users are not where the others are. Restore it, then resume this run.'
          : `It may still send its users to ${wanted.cut}. ${waysOut(run.intent)}`,
    },
  )
