import { type Finding, type Intent, leavesLostSite } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { isExplained, movedByThemselves, movedFindings } from './moved-by-itself.ts'

/**
 * The components whose role is not the one that the witness gives their site, and those that have moved by themselves,
 * which explains their roles. Standby never resolves such a disagreement by itself. Pure.
 */
export function roleFindings(
  stack: Stack,
  observation: Observation,
  activeSite: string | null,
  intent: Intent | null,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  if (activeSite === null) return []
  const moved = movedByThemselves(stack, observation, activeSite, drivers)
  const disagreeing = stack.components.flatMap((component) =>
    Object.entries(observation.components[component.name] ?? {}).flatMap(([site, seen]): Finding[] => {
      if (seen.kind !== 'answering' || !stack.sites.some((known) => known.name === site)) return []
      const expected = site === activeSite ? 'active' : 'passive'
      if (seen.role === expected || seen.role === 'unknown') return []
      if (seen.role !== 'split' && isExplained(moved, component.name, site, activeSite)) return []
      return [
        {
          code: seen.role === 'active' ? 'active-on-passive-site' : 'passive-on-active-site',
          severity: severityOfRole(site, intent),
          component: component.name,
          site,
          what: `${component.name} on ${site} is ${seen.role}, and the witness says that ${activeSite} is the active site`,
          next:
            site === activeSite
              ? `Find out who changed it before anything else is changed. What its guard or a fence has shut: standby failover plan --mode reopen --to ${site} opens it.`
              : `If ${site} was lost and has come back: standby failover plan --mode rejoin --to ${site}. Else find out who changed it before anything else is changed.`,
        },
      ]
    }),
  )
  return [...movedFindings(moved, activeSite, intent), ...disagreeing]
}

/**
 * A second site that calls itself active blocks every promotion. A rejoin promotes nothing: where two sites were lost,
 * one of them comes back first.
 */
function severityOfRole(site: string, intent: Intent | null): Finding['severity'] {
  if (intent === null) return 'blocker'
  if (isMendedBy(intent, site)) return 'info'
  return intent.mode === 'rejoin' && site !== intent.from ? 'warning' : 'blocker'
}

/**
 * A failover or a follow leaves the lost site whatever its role; a rejoin or a reopening is what corrects the role of
 * its site.
 */
const isMendedBy = (intent: Intent, site: string): boolean =>
  (leavesLostSite(intent) && site === intent.from) ||
  ((intent.mode === 'rejoin' || intent.mode === 'reopen') && site === intent.to)
