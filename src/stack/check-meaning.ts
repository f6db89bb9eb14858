import type { JsonObject } from '../json.ts'
import type { Driver } from '../planning/driver.ts'
import type { PlacedProblem } from './check-schema.ts'
import { nearest } from './nearest.ts'
import type { Component, Stack } from './stack.ts'

/** What no schema can say: names that nothing has, needs that go in circles, two owners of one thing. */
export function checkMeaning(stack: Stack, value: JsonObject, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  return [
    ...unknownSites(stack, value),
    ...unknownNeeds(stack),
    ...circles(stack),
    ...driverProblems(stack, drivers),
    ...sharedClaims(stack, drivers),
  ]
}

/** Components in an order in which each stands behind what it needs; the file's order otherwise. */
export function sortedByNeeds(components: readonly Component[]): Component[] {
  const sorted: Component[] = []
  const place = (component: Component): void => {
    if (sorted.includes(component)) return
    for (const need of component.needs) {
      const needed = components.find((candidate) => candidate.name === need)
      if (needed !== undefined) place(needed)
    }
    sorted.push(component)
  }
  for (const component of components) place(component)
  return sorted
}

function unknownSites(stack: Stack, value: JsonObject): PlacedProblem[] {
  const known = stack.sites.map((site) => site.name as string)
  const problem = (path: string[], name: string, atKey: boolean): PlacedProblem[] =>
    known.includes(name)
      ? []
      : [{ path, what: `no site ${name} is declared; there are ${known.join(', ')}`, suggestion: nearest(name, known), atKey }]
  const ofComponents = Object.entries(value.components as Record<string, JsonObject>).flatMap(([component, declared]) =>
    ['sites', 'backends'].flatMap((key) => {
      const bySite = declared[key]
      if (typeof bySite !== 'object' || bySite === null || Array.isArray(bySite)) return []
      const names = Object.keys(bySite)
      const missing = known.filter((site) => !names.includes(site))
      return [
        ...names.flatMap((name) => problem(['components', component, key, name], name, true)),
        ...missing.map(
          (site): PlacedProblem => ({
            path: ['components', component, key],
            what: `says nothing of the site ${site}`,
            suggestion: null,
            atKey: true,
          }),
        ),
      ]
    }),
  )
  return [...problem(['initialActive'], stack.initialActive, false), ...ofComponents]
}

function unknownNeeds(stack: Stack): PlacedProblem[] {
  const known = stack.components.map((component) => component.name)
  return stack.components.flatMap((component) =>
    component.needs.flatMap((need, index): PlacedProblem[] =>
      known.includes(need)
        ? []
        : [
            {
              path: ['components', component.name, 'needs', index],
              what: `no component ${need} is declared`,
              suggestion: nearest(
                need,
                known.filter((name) => name !== component.name),
              ),
              atKey: false,
            },
          ],
    ),
  )
}

function circles(stack: Stack): PlacedProblem[] {
  const byName = new Map(stack.components.map((component) => [component.name, component]))
  const reported = new Set<string>()
  const find = (name: string, path: readonly string[]): string[] | null => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    for (const need of byName.get(name)?.needs ?? []) {
      const circle = find(need, [...path, name])
      if (circle !== null) return circle
    }
    return null
  }
  return stack.components.flatMap((component): PlacedProblem[] => {
    const circle = find(component.name, [])
    if (circle === null) return []
    const key = [...new Set(circle)].sort().join()
    if (reported.has(key)) return []
    reported.add(key)
    return [
      {
        path: ['components', circle[0] ?? component.name, 'needs'],
        what: `needs itself: ${circle.join(' → ')}`,
        suggestion: null,
        atKey: true,
      },
    ]
  })
}

function driverProblems(stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  return stack.components.flatMap((component) =>
    (drivers[component.driver]?.validate?.(component, stack) ?? []).map((problem) => {
      const last = problem.path.at(-1) ?? ''
      return {
        path: ['components', component.name, ...problem.path],
        what: problem.what,
        suggestion: problem.candidates === undefined ? null : nearest(last, problem.candidates),
        atKey: false,
      }
    }),
  )
}

/** Two owners of one Kubernetes object would undo each other's work; two writers of one archive prefix would mix two histories. */
function sharedClaims(stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  const owners = new Map<string, string>()
  return stack.components.flatMap((component) =>
    (drivers[component.driver]?.claims(component, stack) ?? []).flatMap((claim): PlacedProblem[] => {
      const place = ['components', component.name, ...claim.path]
      const owner = owners.get(claim.key)
      if (owner === undefined) {
        owners.set(claim.key, place.join('.'))
        return []
      }
      return [{ path: place, what: `${claim.key} belongs to ${owner} already`, suggestion: null, atKey: false }]
    }),
  )
}
