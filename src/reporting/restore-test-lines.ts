import type { SiteStatus } from '../evidence/reports.ts'
import { agoText } from '../evidence/words.ts'

/** What is proven of a site's backups: the newest test, and the newest green one where that is another. */
export function restoreTestLines(
  { role, lastRestoreTest: last, lastGreenRestoreTest: green }: SiteStatus,
  now: string,
): string[] {
  // Who does not write has no backups of its own that anybody must have tested.
  if (last === null) return [role === 'passive' ? '-' : 'no restore test yet']
  const newest = `${last.verdict}, ${agoText(last.at, now)}`
  if (last.verdict === 'restorable') return [newest]
  return [newest, green === null ? 'last green: none known' : `last green: ${agoText(green.at, now)}`]
}
