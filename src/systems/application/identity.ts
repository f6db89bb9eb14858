import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { DeclaredIdentity } from './declaration.ts'

/** What distinguishes this instance from others, and from an empty one that also starts healthy. */
export interface InstanceIdentity {
  readonly instance: string
  readonly migrations: readonly string[]
}

/** null where none is declared. Throws what the database component throws. */
export async function readIdentity(
  identity: DeclaredIdentity | undefined,
  at: SiteName | Sandbox,
  context: DriverContext,
): Promise<InstanceIdentity | null> {
  if (identity === undefined) return null
  const [instance, migrations] = await Promise.all([
    context.sql(identity.database, at, identity.query),
    identity.migrations === undefined ? [] : context.sql(identity.database, at, identity.migrations),
  ])
  return {
    instance: instance.map((row) => row.join(' ')).join(','),
    migrations: migrations.map((row) => row.join(' ')),
  }
}

/** null when both are the same instance. Pure. */
export function identityProblem(before: Partial<InstanceIdentity> | null, now: InstanceIdentity | null): string | null {
  if (now === null) return null
  if (now.instance === '') return 'the database names no instance: it is empty'
  if (before?.instance !== undefined && before.instance !== now.instance)
    return `the database belongs to the instance ${now.instance}, before the move it was ${before.instance}`
  const missing = (before?.migrations ?? []).filter((migration) => !now.migrations.includes(migration))
  return missing.length === 0 ? null : `${missing.length} migrations are missing: ${missing.slice(0, 3).join(', ')}`
}

export const identityShown = ({ instance, migrations }: InstanceIdentity): string =>
  `instance ${instance}, ${migrations.length} migrations`
