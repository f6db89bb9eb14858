import { type NeededCredential, nameOf } from '../composition/needed-credentials.ts'
import type { Identity } from '../domain/identities.ts'

/** Which identity needs which variable, as a table for a terminal; in parentheses the optional ones. */
export function credentialTable(needed: readonly NeededCredential[], identities: readonly Identity[]): string {
  const wanted = needed.filter((one) => identities.some((identity) => markOf(one, identity) !== ''))
  const rows = wanted.map((one) => [
    nameOf(one.reference),
    ...identities.map((identity) => markOf(one, identity)),
    one.because.join('; '),
  ])
  const header = ['credential', ...identities, 'what it opens']
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const optional = rows.some((row) => row.includes(OPTIONAL))
    ? ['', `${OPTIONAL}: it works without, and says what it cannot see or do`]
    : []
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ...optional].join('\n')
}

const OPTIONAL = '(x)'
function markOf({ identities, optionalFor }: NeededCredential, identity: Identity): string {
  if (identities.includes(identity)) return 'x'
  return optionalFor.includes(identity) ? OPTIONAL : ''
}

/**
 * For each identity the JSON object for the secret STANDBY_CREDENTIALS of its environment, with a description of each
 * value.
 */
export function credentialSkeletons(
  needed: readonly NeededCredential[],
  identities: readonly Identity[],
): Record<string, Record<string, string>> {
  return Object.fromEntries(
    identities.map((identity) => [
      identity,
      Object.fromEntries(
        needed
          .filter((one) => markOf(one, identity) !== '' && 'env' in one.reference)
          .map((one) => [
            nameOf(one.reference),
            `<${markOf(one, identity) === OPTIONAL ? 'optional: ' : ''}${one.because.join('; ')}>`,
          ]),
      ),
    ]),
  )
}
