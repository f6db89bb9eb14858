import type { SiteName } from '../../domain/stack.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import type { JsonObject } from '../../values/json.ts'
import { type Asking, type Host, type HostState, lookAt } from './host.ts'
import { type Application, type SystemdSpec, unitsAt } from './spec.ts'

/** A running step of this driver. */
export type UnitsRun<Parameters extends JsonObject = JsonObject, Memory = unknown> = StepRun<
  SystemdSpec,
  Parameters,
  Memory
>

/** The site on which the step acts. A step of this driver without a site is a defect of its plan. */
export function siteOf({ site, step }: Pick<UnitsRun, 'site' | 'step'>): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

export const hostsAt = (component: Application, site: SiteName): Host[] =>
  unitsAt(component, site).map(([name, units]) => ({ site, name, units }))

/** All these hosts; throws where one does not answer. */
export const lookAtAll = (
  component: Application,
  hosts: readonly Host[],
  asking: Asking,
): Promise<readonly (readonly [Host, HostState])[]> =>
  Promise.all(hosts.map(async (host) => [host, await lookAt(component, host, asking)] as const))
