import type { Fact } from '../domain/fact.ts'
import type { Liveness } from '../domain/liveness.ts'
import { EVERYWHERE } from '../domain/observed.ts'
import { asDriversKnow, type Intent, type NamedFact } from '../domain/plan.ts'
import type { Observation } from '../observation/observation.ts'
import { canonicalJson } from '../values/json.ts'

/** The component of the only fact that belongs to a site. */
const OF_SITES = 'sites'
const SEEN_ALIVE = 'seen alive'

/**
 * The facts that a plan depends on, in a fixed order. A failover or a follow depends on nothing that the lost site
 * says, but on whether the site is seen alive. A rejoin depends on nothing that the returned site says, because its
 * guard shuts it meanwhile: its steps name what they remove. No move depends on a third site, which may come and go.
 * Pure.
 */
export function factsOf(observation: Observation, intent: Intent, liveness: Liveness): NamedFact[] {
  const ends: readonly string[] = [intent.from, intent.to, EVERYWHERE]
  const { mode } = asDriversKnow(intent)
  const lost = { switchover: null, failover: intent.from, rejoin: intent.to, reopen: null }[mode]
  const alive: NamedFact = {
    component: OF_SITES,
    site: liveness.site,
    name: SEEN_ALIVE,
    value: liveness.is === 'up',
    binds: 'exactly',
  }
  const isOfMode = ({ only }: Fact): boolean => only === undefined || only === mode
  const ofComponents = Object.entries(observation.components).flatMap(([component, bySite]) =>
    Object.entries(bySite).flatMap(([site, seen]): NamedFact[] =>
      seen.kind === 'answering' && ends.includes(site) && site !== lost
        ? seen.facts.filter(isOfMode).map(({ only: _, ...fact }) => ({ ...fact, component, site }))
        : [],
    ),
  )
  return [alive, ...ofComponents].sort((a, b) => (nameOfFact(a) < nameOfFact(b) ? -1 : 1))
}

export interface StaleFact {
  readonly fact: string
  readonly planned: string
  readonly now: string
}

/**
 * The facts that moved beyond their tolerance since the plan was made. Empty: the plan still holds. A volatile fact of
 * a part that answers may be missing, as when a listing is late: the findings judge what it bounds as well. Pure.
 */
export function staleFacts(planned: readonly NamedFact[], now: readonly NamedFact[]): StaleFact[] {
  const current = new Map(now.map((fact) => [nameOfFact(fact), fact]))
  const known = new Set(planned.map(nameOfFact))
  const answering = new Set(now.map(partOf))
  const changed = planned.flatMap((fact): StaleFact[] => {
    const seen = current.get(nameOfFact(fact))
    if (seen === undefined && fact.binds === 'at-most' && answering.has(partOf(fact))) return []
    if (seen === undefined) return [{ fact: nameOfFact(fact), planned: shown(fact), now: 'not to be seen' }]
    if (fact.binds === 'at-most' && seen.binds === 'at-most' && (fact.limit !== seen.limit || fact.unit !== seen.unit))
      return [
        {
          fact: nameOfFact(fact),
          planned: `at most ${fact.limit} ${fact.unit}`,
          now: `at most ${seen.limit} ${seen.unit}`,
        },
      ]
    if (fact.binds !== seen.binds)
      return [{ fact: nameOfFact(fact), planned: `bound ${fact.binds}`, now: `bound ${seen.binds}` }]
    if (fact.binds === 'at-most') {
      const moved = typeof seen.value === 'number' ? seen.value : Number.POSITIVE_INFINITY
      return moved <= fact.limit
        ? []
        : [{ fact: nameOfFact(fact), planned: `at most ${fact.limit} ${fact.unit}`, now: shown(seen) }]
    }
    return canonicalJson(seen.value) === canonicalJson(fact.value)
      ? []
      : [{ fact: nameOfFact(fact), planned: shown(fact), now: shown(seen) }]
  })
  const appeared = now
    // A volatile fact that was missing when the plan was made makes it stale only beyond its limit.
    .filter((fact) => !known.has(nameOfFact(fact)) && (fact.binds === 'exactly' || fact.value > fact.limit))
    .map((fact) => ({ fact: nameOfFact(fact), planned: 'not there', now: shown(fact) }))
  return [...changed, ...appeared]
}

/**
 * The planned facts without an answer now: those that are not seen, and "seen alive", which silence alone contradicts.
 * Pure.
 */
export function unansweredFacts(planned: readonly NamedFact[], now: readonly NamedFact[]): NamedFact[] {
  const current = new Map(now.map((fact) => [nameOfFact(fact), fact.value]))
  return planned.filter((fact) => {
    const said = current.get(nameOfFact(fact))
    return said === undefined || (isSeenAlive(fact) && fact.value === true && said === false)
  })
}
const isSeenAlive = ({ component, name }: NamedFact): boolean => component === OF_SITES && name === SEEN_ALIVE

const partOf = ({ component, site }: NamedFact): string => `${component}@${site}`
export const nameOfFact = (fact: NamedFact): string => `${fact.component}@${fact.site} ${fact.name}`
function shown({ value }: NamedFact): string {
  if (value === '') return 'not known'
  return typeof value === 'string' ? value : canonicalJson(value)
}
