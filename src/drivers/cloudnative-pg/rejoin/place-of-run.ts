import type { Deployment } from '../../../driver/deployment.ts'
import type { Place } from '../deploy/place.ts'
import { type DatabaseRun, siteNamed, siteOf } from '../run.ts'

/** A step of a move as a place of a deploy in which `activeSite` is the active site. */
export function placeOf(run: DatabaseRun<{ readonly activeSite: string; readonly cluster: string }>): Place {
  const activeSite = siteNamed(run, run.step.parameters.activeSite)
  const deployment: Deployment = {
    activeSite,
    roleOf: (site) => (site === activeSite ? 'active' : 'passive'),
    observed: {},
    epoch: null,
    adopt: false,
  }
  return {
    component: run.component,
    site: siteOf(run),
    deployment,
    context: { ...run.context, signal: run.signal },
  }
}
