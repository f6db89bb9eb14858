import { type AccessRule, type Identity, OPERATING } from '../domain/identities.ts'
import type { Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import { platformsOf } from '../platform/registry.ts'

/** The identities that a stack uses: the four of the operations, and those of its components. */
export function identitiesOf(stack: Stack, drivers: Readonly<Record<string, Driver>>): Identity[] {
  return [...new Set([...OPERATING, ...stack.components.flatMap(({ driver }) => drivers[driver]?.brings ?? [])])]
}

/** All rights that a stack needs: those of its drivers, and what the core itself reads. */
export function accessRulesOf(stack: Stack, drivers: Readonly<Record<string, Driver>>): AccessRule[] {
  const identities = identitiesOf(stack, drivers)
  const ofDrivers = stack.components
    .flatMap((component) => drivers[component.driver]?.access(component, stack) ?? [])
    .filter(({ identity }) => identities.includes(identity))
  const ofCore = stack.sites.flatMap((site) =>
    identities.flatMap((identity) =>
      platformsOf(site).flatMap((platform) => platform.coreRules(stack, site, identity)),
    ),
  )
  return withRestoreTests([...ofCore, ...ofDrivers])
}

/**
 * A restore test that takes a backup first runs as the mover, from the backup to the end: one process has one set of
 * credentials.
 */
const withRestoreTests = (rules: readonly AccessRule[]): AccessRule[] => [
  ...rules,
  ...rules.flatMap((one): AccessRule[] =>
    'site' in one && one.identity === 'restore-tester'
      ? [{ ...one, identity: 'mover', because: `${one.because} (verify-backup with a fresh backup)` }]
      : [],
  ),
]
