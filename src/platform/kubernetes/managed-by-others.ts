import type { Finding } from '../../domain/plan.ts'
import type { Say } from '../../driver/say.ts'
import type { OtherController } from './field-managers.ts'

/**
 * What another controller that keeps an object may do to a move; `field` is the part that a move writes. No refusal:
 * whether it is paused, or ignores the field, stands in its own configuration, which no identity of ours can read, and
 * a field keeps the name of its last writer when that is paused. For the same reason a status reports it as `info`: a
 * team that lives with Argo CD or Flux would never be green. A plan warns. One that goes on writing is noticed before
 * the doors close where it keeps the active site (`second-look` of the database and of the release), else within
 * seconds, and the move goes back; past its point of no return it can only be answered.
 */
export function managedByOthers(
  controllers: readonly OtherController[],
  severity: 'info' | 'warning',
  { object, field, say }: { readonly object: string; readonly field: string; readonly say: Say },
): Finding[] {
  return controllers.map(({ who, pause, writes }) =>
    say(
      'managed-by-others',
      severity,
      writes
        ? `${who} writes ${field} of ${object}, which a move changes: while it is at work the move is refused, or taken back, and users may be shut out`
        : `${who} keeps ${object}: if it writes ${field} too, it takes a move back`,
      `${pause}, for the time of the move; or let it ignore ${field}: docs/gitops.md`,
    ),
  )
}
