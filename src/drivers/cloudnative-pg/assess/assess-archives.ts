import type { Finding } from '../../../domain/plan.ts'
import { parseLsn, parseSegment, segmentsBetween } from '../../../systems/postgres/wal.ts'
import { type Milliseconds, minutes } from '../../../values/duration.ts'
import type { Say } from '../codes.ts'
import type { CloudNativePgState } from '../observe.ts'

/** Whether a cluster ships its WAL, and can ask for that of the other one. Pure. */
export function ofArchives(
  state: CloudNativePgState,
  severity: 'warning' | 'blocker',
  say: Say,
  now: string,
): Finding[] {
  const name = state.cluster
  const found: Finding[] = []
  if (state.archiving === 'failing')
    found.push(
      say(
        'archiving-failing',
        severity,
        `${name} cannot archive its WAL`,
        'Look at the object store and its credentials: a demotion waits for the archive.',
      ),
    )
  if (state.archivesLeft.length > 0)
    found.push(
      say(
        'archive-left',
        'warning',
        `${name} does not ask the archive of ${state.archivesLeft.join(', ')}, as for the time of a move: it follows by its stream alone`,
        'Resume the run that left it so, or run: standby deploy',
      ),
    )
  const unshipped = unshippedBy(state, now)
  if (unshipped > 0)
    found.push(
      say(
        'replica-ships-nothing',
        'warning',
        `${name} has replayed ${unshipped} segments since it last shipped one, at ${state.instance?.lastArchivedWALTime}: its own archive has a hole`,
        `Resume or abort the run that made it ready for a promotion. Without one: ALTER SYSTEM RESET archive_mode on ${state.currentPrimary}, then kubectl cnpg restart ${name}`,
      ),
    )
  return found
}

/** More segments than a working archiver leaves unshipped, for longer than it takes to begin. */
const MANY = 4
const LONG: Milliseconds = minutes(10)

/** Whole segments that a replica replayed since it last shipped one, long ago; 0 where it ships, or never did. */
function unshippedBy({ isReplica, instance, segmentBytes }: CloudNativePgState, now: string): number {
  if (segmentBytes === null) return 0
  const shipped = parseSegment(instance?.lastArchivedWAL ?? '', segmentBytes)
  const replayed = parseLsn(instance?.replayLsn)
  if (!isReplica || shipped === null || replayed === null) return 0
  if (!(Date.parse(now) - Date.parse(instance?.lastArchivedWALTime ?? '') > LONG)) return 0
  const whole = segmentsBetween(shipped.end, replayed, segmentBytes) - 1
  return whole >= MANY ? whole : 0
}
