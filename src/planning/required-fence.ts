import { FENCE_LEVELS, type FenceLevel } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import { asDriversKnow, changesActiveSite, type Intent, leavesLostSite } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { hasFence, levelsOfFence } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'

/** For a stack file that declares no level. A stack without a component that can be fenced requires none. */
const BY_DEFAULT = { switchover: 'database', failover: 'traffic' } as const

/**
 * The level that a fence must reach in this move; null: none. A lost site that is seen alive must be shut out of its
 * database, or, in a stack without one, of its application, whatever the stack file declares. Pure.
 */
export function requiredFence(
  stack: Stack,
  intent: Intent,
  liveness: Liveness,
  drivers: Readonly<Record<string, Driver>>,
): FenceLevel | null {
  // A follow demands what the failover demands that it completes.
  const known = asDriversKnow(intent)
  if (!changesActiveSite(known)) return null
  const canBeFenced = stack.components.some(({ driver }) => hasFence(drivers[driver]))
  const most = holdsDatabase(stack, drivers) ? 'database' : 'application'
  const byDefault = canBeFenced ? lower(BY_DEFAULT[known.mode], most) : null
  const declared = stack.fencing[known.mode] ?? byDefault
  const alive = leavesLostSite(intent) && liveness.is === 'up'
  return declared !== null && alive ? higher(declared, most) : declared
}

/**
 * Whether the stack has a database to shut: without one, no step can reach that level, and a fence of the application
 * shuts everything that takes writes. A component that does not declare its levels may be a database.
 */
const holdsDatabase = (stack: Stack, drivers: Readonly<Record<string, Driver>>): boolean =>
  stack.components.some((component) => {
    const driver = drivers[component.driver]
    return driver !== undefined && levelsOfFence(driver, component, stack).includes('database')
  })

/** The higher of two required levels; null requires nothing. Pure. */
export const higherFence = (a: FenceLevel | null, b: FenceLevel | null): FenceLevel | null =>
  a === null || b === null ? (a ?? b) : higher(a, b)

const isHigher = (a: FenceLevel, b: FenceLevel): boolean => FENCE_LEVELS.indexOf(a) > FENCE_LEVELS.indexOf(b)
const lower = (a: FenceLevel, b: FenceLevel): FenceLevel => (isHigher(a, b) ? b : a)
const higher = (a: FenceLevel, b: FenceLevel): FenceLevel => (isHigher(a, b) ? a : b)
