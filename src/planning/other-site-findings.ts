import type { Finding, Intent } from '../domain/plan.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import { hasFence } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { followersOf } from './followers.ts'
import { livenessOf } from './liveness.ts'

/**
 * What blocks a reopening: another site that may take writes. Each other site must be seen to be passive, or be dead by
 * its liveness signals. One that is not seen may still be the active site of an earlier epoch. Pure.
 */
export function otherSiteFindings(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  return followersOf(stack, intent).flatMap(({ name: site }): Finding[] => {
    if (livenessOf(stack, observation, drivers, site).is === 'down') return []
    const what = unseenOf(stack, observation, site, drivers)
    if (what === null) return []
    return [
      {
        code: 'other-site-may-write',
        severity: 'blocker',
        site,
        what: `${what} cannot be seen, and may take writes: ${intent.to} is opened only where no other site does`,
        next: `Make ${site} reachable, or switch it off and let a second one say so (driver command).`,
        unanswered: true,
      },
    ]
  })
}

/** What of a site is not seen, and may take writes: the whole site, or some components; null: nothing. */
function unseenOf(
  stack: Stack,
  observation: Observation,
  site: SiteName,
  drivers: Readonly<Record<string, Driver>>,
): string | null {
  if (observation.sites[site]?.kind !== 'answering') return site
  const unseen = stack.components.filter(
    ({ name, driver }) => hasFence(drivers[driver]) && observation.components[name]?.[site]?.kind === 'silent',
  )
  return unseen.length === 0 ? null : `${unseen.map(({ name }) => name).join(', ')} on ${site}`
}
