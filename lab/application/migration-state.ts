export interface Migration {
  /** As the table lists it; the number in front orders them. */
  readonly name: string
  readonly up: string
}

export type MigrationState =
  | { readonly kind: 'current' }
  /** Bundled migrations are missing in the database: run them. */
  | { readonly kind: 'behind'; readonly pending: readonly string[] }
  /** A newer image has migrated this database: warn and start. */
  | { readonly kind: 'ahead'; readonly unknown: readonly string[] }
  /** The histories have parted: refuse. */
  | { readonly kind: 'invalid'; readonly pending: readonly string[]; readonly unknown: readonly string[] }

/**
 * How a database stands to this image, from the names of both; an unknown row is only harmless when it is newer than
 * all of ours.
 */
export function migrationState(bundled: readonly string[], applied: readonly string[]): MigrationState {
  const pending = bundled.filter((name) => !applied.includes(name))
  const unknown = applied.filter((name) => !bundled.includes(name))
  const newest = bundled.at(-1) ?? ''
  if (unknown.length === 0) return pending.length === 0 ? { kind: 'current' } : { kind: 'behind', pending }
  const onlyNewer = unknown.every((name) => name > newest)
  return pending.length === 0 && onlyNewer ? { kind: 'ahead', unknown } : { kind: 'invalid', pending, unknown }
}
