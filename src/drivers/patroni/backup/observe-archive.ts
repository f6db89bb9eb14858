import { seenInTime } from '../../../clients/seen-in-time.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { type AskedMembers, firstMember } from '../first-member.ts'
import { hostOf } from '../host.ts'
import { isWritable } from '../rest-api.ts'
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

/** Of an answer over a short way; an observation that ends earlier does not wait for it. */
const WITHIN: Milliseconds = seconds(2.5)

/**
 * Asks pgBackRest on the host of the first member that answers, and the primary about its archiver, side by side. An
 * archive that says nothing by the end of the observation is a value, as one that does not answer is.
 */
export async function observeArchive(
  component: Database,
  site: SiteName,
  context: DriverContext,
  asked: AskedMembers,
): Promise<ArchiveView> {
  const { signal } = context
  const stanza = stanzaOf(component, site)
  const silent = (why: string): ArchiveView => ({ is: 'silent', stanza, why })
  const onHost = (name: string) => hostOf(component, site, name, context, signal)
  const info = async (): Promise<ArchiveView> => {
    const first = await firstMember(asked, ({ is }) => is === 'answering')
    if (first === null) return silent('no member answers')
    const { code, stdout, stderr } = await onHost(first).shell(INFO, [stanza], WITHIN)
    if (code !== 0) return silent(stderr.trim().slice(-200) || `exit ${code}`)
    return { is: 'seen', stanza, holds: stanzaIn(stdout, stanza), failing: null }
  }
  const archiver = async (): Promise<string | ArchiveView | null> => {
    const primary = await firstMember(asked, isWritable)
    const [[segment] = []] = primary === null ? [] : await onHost(primary).sql('postgres', FAILING, WITHIN)
    return segment ?? null
  }
  const failed = (error: unknown): ArchiveView => silent(asStandbyError(error).message)
  const [view, failing] = await Promise.all([
    seenInTime(
      signal,
      () => info().catch(failed),
      () => silent('it does not answer in time'),
    ),
    // A member that is silent so long is reported as that.
    seenInTime(
      signal,
      () => archiver().catch(failed),
      () => null,
    ),
  ])
  if (view.is === 'silent') return view
  return failing === null || typeof failing === 'string' ? { ...view, failing } : failing
}

const FAILING = `SELECT last_failed_wal FROM pg_stat_archiver
WHERE last_failed_time > coalesce(last_archived_time, '-infinity') AND last_failed_wal IS NOT NULL`
