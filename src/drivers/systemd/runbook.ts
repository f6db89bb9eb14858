import type { ByHand, DriverStep } from '../../driver/action.ts'
import { quoted } from '../../driver/manual.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Before, Start } from './move/parameters.ts'
import { type Application, type SystemdSpec, unitsAt } from './spec.ts'

/** The steps by ssh and systemctl. */
type OfUnits<Parameters extends JsonObject> = ByHand<SystemdSpec, Parameters>

export const stopByHand: OfUnits<Before> = {
  say: (component, step) => ({
    commands: onHosts(component, step, (units) => {
      const backwards = [...units].reverse().join(' ')
      return `sudo systemctl disable --now ${backwards}; systemctl show -p Id,ActiveState,ControlGroup,UnitFileState ${backwards}`
    }),
    expect: 'ActiveState is inactive or failed, ControlGroup is empty, UnitFileState is disabled: on every host.',
    never: 'Go on while one runs: it may still write. systemctl kill -s KILL ends what is left.',
  }),
}

export const startByHand: OfUnits<Start> = {
  say: (component, step) => ({
    commands: onHosts(
      component,
      step,
      (units) => `sudo systemctl enable --now ${units.join(' ')}; systemctl is-active ${units.join(' ')}`,
      step.parameters.hosts,
    ),
    expect: `active for each unit${component.spec.health === undefined ? '' : `, and ${component.spec.url}${component.spec.health.path} answers well on each host`}.`,
    never: 'Start it before the database accepts writes: it would migrate, or give up.',
  }),
}

/** Each step of this driver belongs to one site: a step without a site is a defect of its plan. */
function siteOf({ name }: Application, { action, site }: DriverStep): string {
  if (site === null) throw new Error(`${name}.${action} names no site`)
  return site
}

const onHosts = (
  component: Application,
  step: DriverStep,
  line: (units: readonly string[]) => string,
  only?: readonly string[],
): string[] =>
  unitsAt(component, siteOf(component, step))
    .filter(([host]) => only === undefined || only.includes(host))
    .map(([host, units]) => `ssh ${quoted(host)} ${quoted(line(units))}`)
