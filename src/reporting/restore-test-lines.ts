import type { SiteStatus } from '../evidence/reports.ts'
import { agoText } from '../evidence/words.ts'

/** The proof of a site's backups: the newest test, and the newest green one where they differ. */
export function restoreTestLines(
  { role, lastRestoreTest: last, lastGreenRestoreTest: green }: SiteStatus,
  now: string,
): string[] {
  // A passive site does not write, so it needs no restore test of its own backups.
  if (last === null) return [role === 'passive' ? '-' : 'no restore test yet']
  const newest = `${last.verdict}, ${agoText(last.at, now)}`
  if (last.verdict === 'restorable') return [newest]
  return [newest, green === null ? 'last green: none known' : `last green: ${agoText(green.at, now)}`]
}
