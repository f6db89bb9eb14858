import type { Claim } from '../domain/declaration.ts'
import type { Component, Stack } from '../domain/stack.ts'
import { copiesReadBy, objectStoreOf, restoresIn } from '../driver/ask.ts'
import type { LocationOf } from '../driver/assessment.ts'
import type { Driver, RestoresIn } from '../driver/capabilities.ts'
import { isObject, type Json, type JsonObject } from '../values/json.ts'
import type { Meant } from './check-schema.ts'
import { nearest } from './nearest.ts'
import type { PlacedProblem } from './problems.ts'
import type { WitnessKinds } from './schema.ts'

/**
 * The rules for names that a schema cannot express: no undeclared sites and components, no circular needs. Accepts a
 * file of any shape.
 */
export function nameProblems(value: JsonObject, meanings: readonly Meant[]): PlacedProblem[] {
  const sites = isObject(value.sites) ? Object.keys(value.sites) : []
  const needs = needsOf(value)
  return [...meanings.flatMap((meant) => siteProblems(meant, sites)), ...unknownNeeds(needs), ...circles(needs)]
}

function siteProblems({ meaning, path, value }: Meant, sites: readonly string[]): PlacedProblem[] {
  // In a file without sites the missing declaration is the problem, not each mention.
  if (sites.length === 0) return []
  const unknown = (name: string, among: readonly string[]): Pick<PlacedProblem, 'what' | 'suggestion'> => ({
    what: `no site ${name} is declared; there are ${sites.join(', ')}`,
    suggestion: nearest(name, among) ?? nearest(name, sites),
  })
  if (meaning === 'site')
    return typeof value !== 'string' || sites.includes(value) ? [] : [{ path, ...unknown(value, sites) }]
  if (meaning !== 'by-site' || !isObject(value)) return []
  const missing = new Set(sites.filter((site) => !Object.hasOwn(value, site)))
  const strangers = Object.keys(value)
    .filter((name) => !sites.includes(name))
    .map((name): PlacedProblem => {
      const problem = unknown(name, [...missing])
      missing.delete(problem.suggestion ?? '')
      return { path: [...path, name], ...problem, atKey: true }
    })
  return [
    ...strangers,
    ...[...missing].map((site): PlacedProblem => ({ path, what: `says nothing of the site ${site}`, atKey: true })),
  ]
}

type Needs = ReadonlyMap<string, readonly string[]>

function needsOf(value: JsonObject): Needs {
  const components = isObject(value.components) ? Object.entries(value.components) : []
  return new Map(components.map(([name, declared]) => [name, isObject(declared) ? textsOf(declared.needs) : []]))
}
const textsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item: Json): item is string => typeof item === 'string') : []

function unknownNeeds(needs: Needs): PlacedProblem[] {
  return [...needs].flatMap(([name, needed]) =>
    needed.flatMap((need, index): PlacedProblem[] => {
      if (needs.has(need)) return []
      const others = [...needs.keys()].filter((other) => other !== name)
      return [
        {
          path: ['components', name, 'needs', index],
          what: `no component ${need} is declared`,
          suggestion: nearest(need, others),
        },
      ]
    }),
  )
}

/** Each circle once, named from the component that comes first in the file. */
function circles(needs: Needs): PlacedProblem[] {
  const finished = new Set<string>()
  const found: PlacedProblem[] = []
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      const circle = path.slice(path.indexOf(name))
      found.push({
        path: ['components', circle[0] ?? name, 'needs'],
        what: `needs itself: ${[...circle, name].join(' → ')}`,
        atKey: true,
      })
    } else if (!finished.has(name)) {
      for (const need of needs.get(name) ?? []) visit(need, [...path, name])
      finished.add(name)
    }
  }
  for (const name of needs.keys()) visit(name, [])
  return found
}

/** Refuses a credential in the place of an address or a name: many people read the files of a repository. */
export function pastedCredentials(value: Json, path: readonly (string | number)[] = []): PlacedProblem[] {
  if (Array.isArray(value)) return value.flatMap((item: Json, index) => pastedCredentials(item, [...path, index]))
  if (isObject(value)) return Object.entries(value).flatMap(([key, part]) => pastedCredentials(part, [...path, key]))
  if (typeof value !== 'string') return []
  const pasted = PASTED.find(({ pattern }) => pattern.test(value))
  return pasted === undefined
    ? []
    : [
        {
          path,
          what: `holds ${pasted.name}: credentials are references, such as { env: NAME }, never values`,
          concealed: true,
        },
      ]
}
const PASTED = [
  { name: 'a password in a URL', pattern: /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*:(?!\$\{[^}]*\}@)[^/?#@]+@/i },
  { name: 'a private key', pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----/ },
  { name: 'an AWS access key', pattern: /^(AKIA|ASIA)[A-Z0-9]{16}$/ },
  { name: 'a GitHub token', pattern: /^(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})$/ },
]

/** The checks of the drivers; for a stack whose shape and names are right. */
export function driverProblems(
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
  witnesses: WitnessKinds,
): PlacedProblem[] {
  const invalid = stack.components.map((component) => ({
    component,
    problems: invalidSpecs(component, stack, drivers),
  }))
  const sound = invalid
    .filter(({ problems }) => problems.every(({ severity }) => severity === 'warning'))
    .map(({ component }) => component)
  const claims = claimsOf(sound, stack, drivers, witnesses)
  const ofWitness = (witnesses[stack.witness.driver]?.validate?.(stack.witness.spec) ?? []).map(
    (problem): PlacedProblem => ({ ...problem, path: ['witness', ...problem.path] }),
  )
  return [
    ...invalid.flatMap(({ problems }) => problems),
    ...ofWitness,
    ...witnessPlaceProblems(stack),
    ...copiesOutOfReach(stack, drivers),
    ...sharedClaims(claims),
    ...(stack.witness.site === undefined ? witnessInSite(claims) : []),
  ]
}

function invalidSpecs(component: Component, stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  const locationOf: LocationOf = (name, site) => {
    const store = stack.components.find((one) => one.name === name)
    return store === undefined ? null : objectStoreOf(drivers[store.driver], store, site)
  }
  const problems = drivers[component.driver]?.validate?.(component, stack, locationOf) ?? []
  return problems.map(({ path, what, candidates, severity }) => {
    const value = path.reduce<Json | undefined>((part, key) => (isObject(part) ? part[key] : undefined), component.spec)
    const written = typeof value === 'string' ? value : (path.at(-1) ?? '')
    const suggestion = candidates === undefined ? null : nearest(written, candidates)
    return {
      path: ['components', component.name, ...path],
      what,
      suggestion,
      ...(severity === undefined ? {} : { severity }),
    }
  })
}

/** A claim, with its place in the whole file. */
function claimsOf(
  components: readonly Component[],
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
  witnesses: WitnessKinds,
): Claim[] {
  const placed = (claims: readonly Claim[], ...path: readonly string[]): Claim[] =>
    claims.map((claim) => ({ ...claim, path: [...path, ...claim.path] }))
  return [
    ...placed(witnesses[stack.witness.driver]?.claims(stack.witness.spec) ?? [], 'witness'),
    ...components.flatMap((component) =>
      placed(drivers[component.driver]?.claims(component, stack) ?? [], 'components', component.name),
    ),
  ]
}

/**
 * Two owners of one object undo each other's work. If one folder contains the other, each owner lists, counts and
 * removes objects of the other.
 */
function sharedClaims(claims: readonly Claim[]): PlacedProblem[] {
  return claims.flatMap(({ key, below = '', path }, index): PlacedProblem[] => {
    const other = claims.slice(0, index).find((one) => one.key === key && nested(one.below ?? '', below))
    if (other === undefined) return []
    const [own, others, owner] = [`${key}${below}`, `${key}${other.below ?? ''}`, other.path.join('.')]
    if (own === others) return [{ path, what: `${own} belongs to ${owner} already` }]
    return [
      { path, what: `${own} ${own.startsWith(others) ? 'lies in' : 'holds'} ${others}, which belongs to ${owner}` },
    ]
  })
}
/**
 * A restored copy is reached from its own sandbox alone: no sandbox has a way out. A restore test that reads a copy in
 * the sandbox of another platform, or one that is not restored, would fail at night, and say that the backup is bad.
 */
function copiesOutOfReach(stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  const placeOf = (component: Component): RestoresIn => restoresIn(drivers[component.driver], component)
  return stack.components.flatMap((reader) =>
    copiesReadBy(drivers[reader.driver], reader).flatMap(({ of, path }): PlacedProblem[] => {
      const copied = stack.components.find(({ name }) => name === of)
      const [own, other] = [placeOf(reader), copied === undefined ? 'any-sandbox' : placeOf(copied)]
      const at = ['components', reader.name, ...path]
      if (own === 'nowhere') return []
      if (other === 'nowhere')
        return [{ path: at, what: `reads the restored copy of ${of}, whose backups are not tested` }]
      if (own === 'any-sandbox' || other === 'any-sandbox' || own.platform === other.platform) return []
      const what = `reads the copy of ${of}, which is restored in the sandbox of ${other.platform}; ${reader.name} is tested in that of ${own.platform}, and neither has a way out. Leave restoreTest out: the copy is judged where it is restored, and its instance is compared`
      return [{ path: at, what }]
    }),
  )
}

/** Of a witness that is declared to be inside a site: the other sites must be able to do without that site. */
function witnessPlaceProblems({ witness: { site }, sites, initialActive }: Stack): PlacedProblem[] {
  if (site === undefined) return []
  const path = ['witness', 'site']
  if (sites.length === 2)
    return [
      {
        path,
        what: `of two sites, ${site} may be the one that is lost, and the witness with it: then no failover is possible. Keep the witness outside of both, or declare a third site that holds it`,
      },
    ]
  if (site !== initialActive) return []
  const what = `${site} becomes the active site at first, and its loss takes the witness too: then no failover is possible`
  return [{ path, what, severity: 'warning' }]
}

/**
 * Warns of a shared store. The witness has its own folder, so no object is shared; but if the store is in a site, the
 * loss of that site also loses the witness.
 */
function witnessInSite(claims: readonly Claim[]): PlacedProblem[] {
  const witness = claims.find(({ path }) => path[0] === 'witness')
  const site = claims.find(
    (one) => one !== witness && one.key === witness?.key && !nested(one.below ?? '', witness?.below ?? ''),
  )
  if (witness === undefined || site === undefined) return []
  const what = `is the store of ${site.path.join('.')} too: if that store is lost with its site, no move is possible; keep the witness outside all sites`
  return [{ path: witness.path, what, severity: 'warning' }]
}

const nested = (one: string, other: string): boolean => one.startsWith(other) || other.startsWith(one)

/** Components in an order in which each comes after those that it needs; otherwise in the file's order. */
export function sortedByNeeds(components: readonly Component[]): Component[] {
  const byName = new Map(components.map((component) => [component.name, component]))
  const sorted = new Set<Component>()
  const place = (component: Component): void => {
    if (sorted.has(component)) return
    for (const need of component.needs) {
      const needed = byName.get(need)
      if (needed !== undefined) place(needed)
    }
    sorted.add(component)
  }
  for (const component of components) place(component)
  return [...sorted]
}
