import type { Finding, Intent } from '../../domain/plan.ts'
import type { Component } from '../../domain/stack.ts'
import type { DeclaredCodes } from '../../driver/codes.ts'
import type { APPLICATION_CODES } from './codes.ts'

/** What must be equal on every site: name → hash of its value, null where it is missing. */
export type SecretHashes = Readonly<Record<string, string | null>>

/**
 * A passive site with another encryption key cannot read the data, and cannot start. `places`: sites or hosts by name;
 * null where the secrets could not be read. Pure.
 */
export function secretsThatDiffer(
  codes: DeclaredCodes<typeof APPLICATION_CODES>,
  component: Pick<Component, 'name'>,
  places: Readonly<Record<string, SecretHashes | null>>,
  intent: Intent | null,
): Finding[] {
  const hashes = Object.entries(places).flatMap(([place, secrets]) => (secrets === null ? [] : [{ place, secrets }]))
  const names = [...new Set(hashes.flatMap(({ secrets }) => Object.keys(secrets)))]
  return names.flatMap((name): Finding[] => {
    const values = new Set(
      hashes.map(({ secrets }) => secrets[name]).filter((hash) => hash !== null && hash !== undefined),
    )
    if (values.size < 2) return []
    return [
      codes.finding('secret-differs', component, {
        severity: intent === null || intent.mode === 'rejoin' ? 'warning' : 'blocker',
        what: `${name} is not the same on ${hashes.map(({ place }) => place).join(' and ')}`,
        next: 'Copy it from the active site: data that it encrypts cannot be read with another key.',
      }),
    ]
  })
}
