import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { hostOf } from '../host.ts'
import { isWritable, type MemberView } from '../rest-api.ts'
import type { Database } from '../spec.ts'
import { stanzaOf } from './declared.ts'
import { INFO, type Stanza, stanzaIn } from './repository.ts'

/** How the archive of a site is. */
export type ArchiveView =
  | {
      readonly is: 'seen'
      readonly stanza: string
      /** As pgBackRest on a host of the site sees it, with the keys of that host. */
      readonly holds: Stanza
      /** What the primary failed to archive since it last succeeded; null: nothing, or the site has no primary. */
      readonly failing: string | null
    }
  | { readonly is: 'silent'; readonly stanza: string; readonly why: string }

/** An observation answers within 3 s, of which the members had their share. */
const WITHIN: Milliseconds = seconds(2.8)
/** ssh and one answer of a store that is near. */
const LEAST: Milliseconds = seconds(0.3)

/**
 * Asks pgBackRest on the host of the member that leads its site, and the primary about its archiver, side by side.
 * `spent`: of the time of the observation. Never throws but for a signal.
 */
export async function observeArchive(
  component: Database,
  site: SiteName,
  context: DriverContext,
  { members, spent }: { readonly members: Readonly<Record<string, MemberView>>; readonly spent: Milliseconds },
): Promise<ArchiveView> {
  const stanza = stanzaOf(component, site)
  const answering = Object.entries(members).filter(([, { is }]) => is === 'answering')
  const [name, member] = answering.find(([, one]) => isWritable(one)) ?? answering[0] ?? []
  const left = WITHIN - spent
  if (name === undefined || left < LEAST)
    return { is: 'silent', stanza, why: name === undefined ? 'no member answers' : 'its members answered too late' }
  const host = hostOf(component, site, name, context, context.signal)
  try {
    const [info, archiver] = await Promise.all([
      host.shell(INFO, [stanza], left),
      isWritable(member) ? host.sql('postgres', FAILING, left) : [],
    ])
    if (info.code !== 0) return { is: 'silent', stanza, why: info.stderr.trim().slice(-200) || `exit ${info.code}` }
    const [[failing] = []] = archiver
    return { is: 'seen', stanza, holds: stanzaIn(info.stdout, stanza), failing: failing ?? null }
  } catch (error) {
    context.signal.throwIfAborted()
    return { is: 'silent', stanza, why: asStandbyError(error).message }
  }
}

const FAILING = `SELECT last_failed_wal FROM pg_stat_archiver
WHERE last_failed_time > coalesce(last_archived_time, '-infinity') AND last_failed_wal IS NOT NULL`
