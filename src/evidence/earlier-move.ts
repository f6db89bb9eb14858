import { withinDeadline } from '../clients/within-deadline.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { readableDuration, seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { damageText } from '../witness/damage.ts'
import { followedMove } from './followed-move.ts'
import { newestRecords } from './keep-evidence.ts'
import type { FollowedMove } from './kept-loss.ts'

/** Limits the search: between a failover and its rejoin lie days, but few runs. */
const ROUNDS = 5
const AT_ONCE = 20
/** Must fit into the grace period after a cancellation. */
const PATIENCE = seconds(3)

/**
 * The move that a rejoin follows, from the evidence in the witness. Never throws and never delays the run: the result
 * says why a move is not found or not read in time.
 */
export async function readEarlierMove(
  store: ConditionalStore,
  of: { readonly run: string; readonly site: string },
): Promise<FollowedMove> {
  const looking = async (signal: AbortSignal): Promise<FollowedMove> => {
    for (let round = 0; round < ROUNDS && !signal.aborted; round++) {
      const records = await newestRecords(store, AT_ONCE, round * AT_ONCE)
      // The unreadable record may be of a move that came after the older ones, so the search ends here.
      const damaged = records.findLastIndex(({ kind }) => kind === 'damaged')
      const readable = records
        .slice(damaged + 1)
        .flatMap((one) => (one.kind === 'sound' && one.record.kind === 'move' ? [one.record] : []))
      const found = followedMove(readable, of)
      if (found !== null) return found
      const first = records[damaged]
      if (first?.kind === 'damaged')
        return { is: 'unknown', why: `${damageText(first)}; what was recorded before it is unknown` }
    }
    return {
      is: 'unknown',
      why: `none of the newest ${ROUNDS * AT_ONCE} records in the witness is of a move away from ${of.site}`,
    }
  }
  const late = (): Error =>
    siteError('witness-unreachable', `the witness did not answer within ${readableDuration(PATIENCE)}`)
  return withinDeadline(PATIENCE, [], looking, late).catch((error: unknown) => ({
    is: 'unknown',
    why: `the records in the witness could not be read: ${asStandbyError(error).message}`,
  }))
}
