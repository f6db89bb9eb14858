import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { GuardedUnits, SeenUnit } from '../../driver/guarded-units.ts'
import { lookAt } from './host.ts'
import type { Application, SystemdSpec } from './spec.ts'
import { isInstalled, isStopped, startsAtBoot, stateInWords, type UnitSeen } from './unit-state.ts'

/** The units of the application on a machine: started on a site that is not active, any of them may write. */
export const guardedUnits: GuardedUnits<SystemdSpec> = {
  units: (component, site, machine) =>
    (component.spec.units[site]?.[machine] ?? []).map((unit) => ({
      unit,
      look: (context) => lookAtUnit(component, site, machine, unit, context),
    })),
}

async function lookAtUnit(
  component: Application,
  site: SiteName,
  machine: string,
  unit: string,
  context: DriverContext,
): Promise<SeenUnit> {
  const host = { site, name: machine, units: [unit] }
  const { units } = await lookAt(component, host, { context, signal: context.signal })
  const seen = units[unit]
  if (seen === undefined) throw new Error(`systemd says nothing of ${unit}`)
  return judged(unit, seen)
}

/** On a passive site a unit is stopped and disabled: one that a boot starts is not as it should be. Pure. */
export function judged(unit: string, seen: UnitSeen): SeenUnit {
  if (!isStopped(seen)) return { is: 'open', start: 'opens', why: `${unit} is ${stateInWords(seen)}` }
  if (!isInstalled(seen)) return { is: 'passive', start: 'harmless', why: `${unit} is ${seen.load}` }
  return startsAtBoot(seen) === 'yes'
    ? { is: 'shut', start: 'opens', why: `${unit} is stopped, and a boot would start it` }
    : { is: 'passive', start: 'opens', why: `${unit} is stopped, and no boot starts it` }
}
