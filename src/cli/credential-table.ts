import { type NeededCredential, nameOf } from '../needed-credentials.ts'
import type { Identity } from '../planning/identities.ts'

/** Which identity needs which variable, as a table for a terminal. */
export function credentialTable(needed: readonly NeededCredential[], identities: readonly Identity[]): string {
  const wanted = needed.filter((one) => one.identities.some((identity) => identities.includes(identity)))
  const rows = wanted.map((one) => [
    nameOf(one.reference),
    ...identities.map((identity) => (one.identities.includes(identity) ? 'x' : '')),
    one.because.join('; '),
  ])
  const header = ['credential', ...identities, 'what it opens']
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** For each identity the JSON object that its environment's secret STANDBY_CREDENTIALS holds, with what belongs into each value. */
export function credentialSkeletons(
  needed: readonly NeededCredential[],
  identities: readonly Identity[],
): Record<string, Record<string, string>> {
  return Object.fromEntries(
    identities.map((identity) => [
      identity,
      Object.fromEntries(
        needed
          .filter((one) => one.identities.includes(identity) && 'env' in one.reference)
          .map((one) => [nameOf(one.reference), `<${one.because.join('; ')}>`]),
      ),
    ]),
  )
}
