import type { SiteName } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Reached } from '../platform/platform.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import { deadlineAfter } from '../waiting/deadline.ts'
import type { Closing } from './close-site.ts'
import { STEP_DEADLINE } from './closing-time.ts'
import type { MachineUnit } from './machine-units.ts'

/** What the closing of one machine needs. */
export interface MachineDoor {
  readonly site: SiteName
  readonly units: readonly MachineUnit[]
  readonly context: DriverContext
  readonly identify: Reached['identify']
  /** The service manager of this machine. */
  readonly services: Services
}
/** By names of services. Each throws where the service manager refuses. */
export interface Services {
  /** Stops a service, and keeps it from starting at a boot. Returns before it has stopped. */
  close(service: string, signal: AbortSignal): Promise<void>
  /** Ends all processes of a service at once, also those that it left running. */
  kill(service: string, signal: AbortSignal): Promise<void>
}

const NOTHING: Closing = { closed: [], effects: [], open: [] }
/** As for a fence in a cluster that does not hold: what needs longer is ended as by a power cut. */
const KILL_AFTER: Milliseconds = seconds(10)
const AGAIN: Milliseconds = 250

/**
 * Closes a machine: each unit that takes writes, or can begin to without a human, is stopped and kept from starting.
 * What is passive is left alone. `mayClose` is asked after the look and before each effect, as in `closeSite`.
 */
export async function closeMachine(door: MachineDoor, mayClose: () => Promise<boolean>): Promise<Closing> {
  const { site, units, context } = door
  const { isDeclared, found, declared } = await door.identify(context.signal)
  if (!isDeclared) return { ...NOTHING, open: [{ what: site, why: `this is ${found}, and declared is ${declared}` }] }
  const seen = await Promise.all(units.map(async (unit) => ({ unit, state: await unit.look(context.signal) })))
  if (!(await mayClose())) return NOTHING
  const shut = seen.flatMap(({ unit, state }) => (state.is === 'shut' ? [unit.id] : []))
  const unseen = seen.flatMap(({ unit, state }) =>
    state.is === 'unknown' ? [{ what: unit.id, why: `it cannot be observed: ${state.why}` }] : [],
  )
  const open = seen.flatMap(({ unit, state }) => (state.is === 'open' ? [{ unit, why: state.why }] : []))
  const stopped = await Promise.all(
    open.map(async ({ unit, why }) => ({ what: unit.id, why: await stop(door, unit, why, mayClose) })),
  )
  const effects = stopped.flatMap(({ what, why }) => (why === null ? [what] : []))
  return {
    closed: [...shut, ...effects],
    effects,
    open: [...unseen, ...stopped.flatMap(({ what, why }) => (why === null ? [] : [{ what, why }]))],
  }
}

/** Why the unit is still open; null: it is closed. A failure is a value, because the next round tries again. */
async function stop(
  { context, services }: MachineDoor,
  unit: MachineUnit,
  because: string,
  mayClose: () => Promise<boolean>,
): Promise<string | null> {
  const deadline = deadlineAfter(STEP_DEADLINE)
  const signal = AbortSignal.any([context.signal, deadline.signal])
  try {
    if (!(await mayClose())) return 'the site must not be closed any more'
    context.log.info(`closing: stops ${unit.service}: ${because}`)
    await services.close(unit.service, signal)
    await untilClosed(context, unit, services, signal)
    return null
  } catch (error) {
    return deadline.signal.aborted ? `${unit.service} does not stop` : asStandbyError(error).message
  }
}

async function untilClosed(
  context: DriverContext,
  unit: MachineUnit,
  services: Services,
  signal: AbortSignal,
): Promise<void> {
  let killAt = performance.now() + KILL_AFTER
  while (true) {
    const { is, why } = await unit.look(signal)
    if (is === 'shut' || is === 'passive') return
    if (performance.now() >= killAt) {
      context.log.warning(`${unit.service} does not stop (${why}): its processes are killed`)
      await services.kill(unit.service, signal)
      killAt = performance.now() + KILL_AFTER
    }
    await context.clock.sleep(AGAIN, signal)
  }
}
