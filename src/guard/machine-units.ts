import type { SiteName, Stack } from '../domain/stack.ts'
import { guardedUnitsOf } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import { type GuardedUnit, type SeenUnit, serviceNamed } from '../driver/guarded-units.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, readableDuration } from '../values/duration.ts'
import { LOOK_DEADLINE } from './closing-time.ts'

/** One unit that the guard of a machine closes. */
export interface MachineUnit {
  /** `database.patroni@dc-a/db-1` */
  readonly id: string
  /** `patroni.service` */
  readonly service: string
  /** What it is now; `unknown` where it cannot be seen within a look's deadline. Never throws. */
  look(signal: AbortSignal): Promise<SeenUnit>
}

/**
 * The units of all components on one machine, each once: one that several declare is as open as the one that is most.
 * Contacts nothing yet.
 */
export function unitsOnMachine(
  stack: Stack,
  site: SiteName,
  machine: string,
  drivers: Readonly<Record<string, Driver>>,
  context: DriverContext,
): MachineUnit[] {
  const declared = stack.components.flatMap((component) =>
    guardedUnitsOf(drivers[component.driver], component, site, machine).map((one): MachineUnit => {
      const service = serviceNamed(one.unit)
      return {
        id: `${component.name}.${service.replace(/\.service$/, '')}@${site}/${machine}`,
        service,
        look: (signal) => lookAt(one, context, signal),
      }
    }),
  )
  return [...Map.groupBy(declared, ({ service }) => service).values()].flatMap(asOne)
}

/** One unit of all that name the same service. */
function asOne([first, ...others]: readonly MachineUnit[]): MachineUnit[] {
  if (first === undefined) return []
  if (others.length === 0) return [first]
  return [
    { ...first, look: async (signal) => worstOf(await Promise.all([first, ...others].map((one) => one.look(signal)))) },
  ]
}

const [BY_STATE, BY_START] = [
  ['open', 'unknown', 'shut', 'passive'],
  ['opens', 'unknown', 'harmless'],
] as const

/** Pure. */
function worstOf(seen: readonly SeenUnit[]): SeenUnit {
  const is = BY_STATE.find((state) => seen.some((one) => one.is === state)) ?? 'unknown'
  const start = BY_START.find((what) => seen.some((one) => one.start === what)) ?? 'unknown'
  return {
    is,
    start,
    why: seen
      .filter((one) => one.is === is || one.start === start)
      .map(({ why }) => why)
      .join('; '),
  }
}

async function lookAt(unit: GuardedUnit, context: DriverContext, ending: AbortSignal): Promise<SeenUnit> {
  const signal = AbortSignal.any([ending, AbortSignal.timeout(LOOK_DEADLINE)])
  const late = new Promise<SeenUnit>((resolve) => {
    signal.addEventListener('abort', () => resolve(unseen(lateAfter(LOOK_DEADLINE))), { once: true })
  })
  const answer = unit.look({ ...context, signal }).catch((error: unknown) => unseen(asStandbyError(error).message))
  return Promise.race([answer, late])
}

const lateAfter = (deadline: Milliseconds): string => `no answer within ${readableDuration(deadline)}`
const unseen = (why: string): SeenUnit => ({ is: 'unknown', start: 'unknown', why })
