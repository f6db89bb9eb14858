import { reaches } from '../domain/fence-levels.ts'
import type { Stack } from '../domain/stack.ts'
import { levelsOf, standsOn } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import { platforms } from '../platform/registry.ts'
import {
  DURATION_PATTERN,
  hours,
  type Milliseconds,
  minutes,
  parseDuration,
  readableDuration,
} from '../values/duration.ts'
import { isObject, type Json, type JsonObject } from '../values/json.ts'
import type { PlacedProblem } from './problems.ts'

/**
 * Characters that no name, path or query needs, and that a terminal, a log or an object key interprets.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u200B-\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/u

/** Finds characters that are invisible or change the reading direction. Accepts a file of any shape. */
export function controlCharacters(value: Json, path: readonly (string | number)[] = []): PlacedProblem[] {
  if (Array.isArray(value)) return value.flatMap((item: Json, index) => controlCharacters(item, [...path, index]))
  if (isObject(value)) return Object.entries(value).flatMap(([key, part]) => controlCharacters(part, [...path, key]))
  const found = typeof value === 'string' ? CONTROL.exec(value)?.[0] : undefined
  if (found === undefined) return []
  const code = (found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return [{ path, what: `holds an invisible character (U+${code}): remove it`, concealed: true }]
}

interface Bounds {
  readonly path: readonly string[]
  readonly least: Milliseconds
  readonly most: Milliseconds
  readonly why: string
}
const DAY = hours(24)
const BOUNDS: readonly Bounds[] = [
  { path: ['approval', 'expiry'], least: minutes(1), most: 7 * DAY, why: 'people judge the current state' },
  { path: ['objectives', 'backupAge'], least: minutes(1), most: 366 * DAY, why: 'a backup is judged by it' },
  { path: ['objectives', 'restoreTime'], least: minutes(1), most: 30 * DAY, why: 'a restore test is judged by it' },
]

/** Finds durations outside of the core's keys that cannot be intended. Accepts a file of any shape. */
export const timesOutOfBounds = (value: JsonObject): PlacedProblem[] =>
  BOUNDS.flatMap(({ path, ...bounds }) => {
    const declared = path.reduce<Json | undefined>((part, key) => (isObject(part) ? part[key] : undefined), value)
    return outOfBounds(declared, bounds).map((what) => ({ path, what }))
  })

/** The problem of a declared duration; none for one that is absent, or that its schema refuses. */
export function outOfBounds(declared: Json | undefined, { least, most, why }: Omit<Bounds, 'path'>): string[] {
  if (typeof declared !== 'string' || !new RegExp(DURATION_PATTERN).test(declared)) return []
  const time = parseDuration(declared) ?? 0
  return time < least || time > most
    ? [`${declared} is not between ${readableDuration(least)} and ${readableDuration(most)}: ${why}`]
    : []
}

/**
 * The problems and warnings of the platforms of the sites. Pure; for a stack whose shape and names are right.
 */
export function siteWarnings(stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  return [...platformProblems(stack), ...missingPlatforms(stack, drivers), ...fenceOutOfReach(stack, drivers)]
}

/** The problems of the platforms, such as two sites on one cluster. Paths begin at `sites`. */
const platformProblems = ({ sites }: Stack): PlacedProblem[] =>
  Object.values(platforms).flatMap((platform) =>
    platform.problems(sites).map(({ path, ...problem }) => ({ path: ['sites', ...path], ...problem })),
  )

/** A component exists on every site: each site must declare its platform. */
const missingPlatforms = ({ sites, components }: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] =>
  components.flatMap((component) => {
    const { name, driver: kind } = component
    const driver = drivers[kind]
    const under = driver === undefined ? null : standsOn(driver, component)
    if (under === null) return []
    const lacking = sites.filter(({ platforms: declared }) => !Object.hasOwn(declared, under))
    if (lacking.length === 0) return []
    const what = `${kind} stands on ${under}, which is not declared for ${lacking.map((site) => site.name).join(', ')}`
    return [{ path: ['components', name, 'driver'], what }]
  })

/** Refuses a fence level that no component can shut: it would otherwise refuse the first failover. */
function fenceOutOfReach(stack: Stack, drivers: Readonly<Record<string, Driver>>): PlacedProblem[] {
  const within = stack.components.flatMap((component) => levelsOf(drivers[component.driver], component, stack))
  return (['switchover', 'failover'] as const).flatMap((mode): PlacedProblem[] => {
    const demanded = stack.fencing[mode]
    if (demanded === null || reaches(within, demanded)) return []
    const has = within.length === 0 ? 'none' : [...new Set(within)].join(', ')
    return [
      {
        path: ['fencing', mode],
        what: `no component of this stack can shut ${demanded} (they reach: ${has}), so every ${mode} would be refused: lower it, or add one that can, such as one of the driver command for power`,
        severity: 'warning',
      },
    ]
  })
}
