import type { TakenOver } from '../../domain/observed.ts'
import { type States, stateAt } from './assess/findings-of-site.ts'
import { mastersIn, sentinelsIn } from './observe.ts'
import { type Group, groupSiteOf, redisOf, sentinelNamesOf } from './spec.ts'

/**
 * The site that the master is on, if Sentinel may promote there by itself, and the majority of all declared Sentinels
 * name that master, and no other one is seen. Sentinel keeps no time of it. Pure.
 */
export function takenOver(component: Group, states: States): TakenOver | null {
  const sites = Object.keys(component.spec.sites)
  const seen = sites.flatMap((site) => {
    const state = stateAt(states, site)
    return state === null ? [] : [{ site, masters: mastersIn(state), sentinels: sentinelsIn(state) }]
  })
  const masters = seen.flatMap(({ site, masters: own }) => own.map(([name]) => ({ site, name })))
  const [master, ...others] = masters
  if (master === undefined || others.length > 0 || groupSiteOf(component, master.site).automatic !== true) return null
  const { address } = redisOf(component, master.site, master.name)
  const naming = seen.flatMap(({ sentinels }) => sentinels.filter(([, one]) => one.master === address))
  const declared = sites.reduce((sum, site) => sum + sentinelNamesOf(component, site).length, 0)
  if (naming.length * 2 <= declared) return null
  return {
    site: master.site,
    since: null,
    by: `${naming.length} of ${declared} Sentinels name ${master.name}, and it is the only master that is seen`,
  }
}
