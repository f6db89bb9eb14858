import type { DeployUnit } from '../driver/deployment.ts'

/** A unit with the component it belongs to. */
export interface PlacedUnit {
  readonly component: string
  readonly unit: DeployUnit
}

/**
 * What each unit waits for: what it names itself, what its component needs on the same site, and (on the active site)
 * every unit of a passive site, except those that can only come after the active one, as a replica of a first primary
 * does. So a failure on a passive site stops before the active one is touched. Throws when units wait for each other.
 */
export function unitNeeds(
  placed: readonly PlacedUnit[],
  componentNeeds: (component: string) => readonly string[],
  activeSite: string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const ids = new Set(placed.map(({ unit }) => unit.id))
  const needs = new Map(
    placed.map(({ component, unit }) => {
      const below = placed.filter(
        (other) => componentNeeds(component).includes(other.component) && sharesSite(other.unit, unit),
      )
      return [
        unit.id,
        new Set([...unit.needs.filter((need) => ids.has(need)), ...below.map((other) => other.unit.id)]),
      ] as const
    }),
  )
  const active = placed.filter(({ unit }) => unit.site === activeSite).map(({ unit }) => unit.id)
  const activeIds = new Set(active)
  const free = placed
    .filter(({ unit }) => unit.site !== null && unit.site !== activeSite && !reaches(unit.id, activeIds, needs))
    .map(({ unit }) => unit.id)
  for (const id of active) for (const passive of free) needs.get(id)?.add(passive)
  const stuck = placed.map(({ unit }) => unit.id).filter((id) => reaches(id, new Set([id]), needs))
  if (stuck.length > 0) throw new Error(`these units wait for each other: ${stuck.join(', ')}`)
  return needs
}

const sharesSite = (a: DeployUnit, b: DeployUnit): boolean => a.site === null || b.site === null || a.site === b.site

/** Whether any of the targets must come before this unit. */
function reaches(from: string, targets: ReadonlySet<string>, needs: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const seen = new Set<string>()
  const open = [...(needs.get(from) ?? [])]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (targets.has(id)) return true
    if (seen.has(id)) continue
    seen.add(id)
    open.push(...(needs.get(id) ?? []))
  }
  return false
}
