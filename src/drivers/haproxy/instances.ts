import type { Milliseconds } from '../../duration.ts'
import { readableDuration, seconds } from '../../duration.ts'
import { asStandbyError, StandbyError, siteError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Progress, StepRun } from '../../planning/driver.ts'
import { holds, type InstanceState, readInstance, setValue } from './instance.ts'
import { runnerFor } from './observe.ts'
import type { HaproxySpec } from './spec.ts'

type Run = StepRun<HaproxySpec>

/** What the instances are to hold: a value for each, and perhaps a backend on which no session is left. */
export interface Wanted {
  valueOf(host: string): string
  readonly cut: string | null
}

/** An instance that restarts says nothing for a moment. */
const MAY_COME_BACK: ReadonlySet<string> = new Set(['load-balancer-unreadable', 'ssh-unreachable', 'process-timeout'])
/** One that says nothing for so long is gone: a move that has closed the others must not wait for it in silence. */
const PATIENCE: Milliseconds = seconds(20)
/** Sessions that were on their way to a server while the first cut was made. */
const MORE_CUTS = 5

/** Every instance, at run time and in its file, with a proof of each; one that is half switched is named, and switched again. */
export async function allHold(run: Run, wanted: Wanted): Promise<Progress> {
  const hosts = run.component.spec.instances.map(({ host }) => host)
  const seen = await Promise.all(hosts.map((host) => viewOf(run, host)))
  const silent: string[] = []
  const waiting: string[] = []
  const proofs: JsonObject[] = []
  for (const [index, host] of hosts.entries()) {
    const view = seen[index]
    if (view === undefined || view instanceof StandbyError) silent.push(`${host} to answer (${view?.message ?? ''})`)
    else {
      const value = wanted.valueOf(host)
      const sessions = sessionsOf(view, wanted)
      if (!holds(view, value)) waiting.push(`${host} to hold ${value}`)
      else if (sessions > 0) waiting.push(`${sessions} sessions of ${wanted.cut} on ${host} to end`)
      else proofs.push({ host, runtime: view.runtime, file: view.file, ...(wanted.cut === null ? {} : { sessions }) })
    }
  }
  // What is known to differ is worth setting again; what can not be seen may be as it should.
  if (waiting.length > 0) return { is: 'pending', waitingFor: [...waiting, ...silent].join(', ') }
  if (silent.length > 0) return { is: 'unknown', why: silent.join(', ') }
  return { is: 'done', proof: { instances: proofs } }
}

async function viewOf(run: Run, host: string): Promise<InstanceState | StandbyError> {
  try {
    return (await readInstance(await runnerFor(run.component, host, run.context), host, run.component.spec, run.signal)).view
  } catch (error) {
    const reason = asStandbyError(error)
    if (!MAY_COME_BACK.has(reason.code)) throw reason
    return reason
  }
}

const sessionsOf = (view: InstanceState, { cut }: Wanted): number => (cut === null ? 0 : (view.backends[cut]?.sessions ?? 0))

/** Sets all instances side by side, also when one can not be set; throws what the first of those said. */
export async function setAll(run: Run, wanted: Wanted): Promise<void> {
  const results = await Promise.allSettled(run.component.spec.instances.map(({ host }) => setPatiently(run, host, wanted)))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function setPatiently(run: Run, host: string, wanted: Wanted): Promise<void> {
  const { clock } = run.context
  const begun = clock.now().getTime()
  for (;;) {
    try {
      return await setInstance(run, host, wanted)
    } catch (error) {
      const reason = asStandbyError(error)
      run.signal.throwIfAborted()
      if (!MAY_COME_BACK.has(reason.code)) throw reason
      if (clock.now().getTime() - begun >= PATIENCE) throw gone(host, wanted, reason)
      await clock.sleep(500, run.signal)
    }
  }
}

async function setInstance(run: Run, host: string, wanted: Wanted): Promise<void> {
  const { component, context, signal } = run
  const runner = await runnerFor(component, host, context)
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

const gone = (host: string, wanted: Wanted, reason: StandbyError): StandbyError =>
  siteError('load-balancer-silent', `${host} did not answer for ${readableDuration(PATIENCE)}: ${reason.message}`, {
    where: host,
    next:
      wanted.cut === null
        ? 'Its users are not where the others are. Restore it, then resume this run.'
        : `It may still send its users to ${wanted.cut}. Restore it, or take it out of service and out of instances, and make a new plan.`,
  })
