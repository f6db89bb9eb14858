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

/** The units of all components on one machine, each once. Contacts nothing yet. */
export function unitsOnMachine(
  stack: Stack,
  site: SiteName,
  machine: string,
  drivers: Readonly<Record<string, Driver>>,
  context: DriverContext,
): MachineUnit[] {
  const units = stack.components.flatMap((component) =>
    guardedUnitsOf(drivers[component.driver], component, site, machine).map((one): MachineUnit => {
      const service = serviceNamed(one.unit)
      return {
        id: `${component.name}.${service.replace(/\.service$/, '')}@${site}/${machine}`,
        service,
        look: (signal) => lookAt(one, context, signal),
      }
    }),
  )
  return [...new Map(units.map((unit) => [unit.service, unit])).values()]
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
