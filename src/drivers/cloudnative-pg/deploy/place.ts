import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { Deployment } from '../../../driver/deployment.ts'
import type { Database } from '../spec.ts'

/** What all units of one site work with. */
export interface Place {
  readonly component: Database
  readonly site: SiteName
  readonly deployment: Deployment
  readonly context: DriverContext
}

export const unitId = (place: Place, what: string, site = place.site): string =>
  `${place.component.name}.${what}@${site}`

/** Whether this site's cluster has to be cloned from the active one, which then must be there first. */
export const mustBeCloned = (place: Place): boolean =>
  place.deployment.roleOf(place.site) === 'passive' && place.deployment.observed[place.site]?.kind !== 'answering'
