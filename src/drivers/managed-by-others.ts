import type { Finding } from '../planning/plan.ts'
import type { OtherController } from './field-managers.ts'
import type { Say } from './say.ts'

/**
 * What another controller that keeps an object may do to a move; `field` is the part that a move writes. A warning and no refusal: whether it is paused,
 * or told to ignore the field, stands in its own configuration, which nobody here can see, and a field keeps the name of its last writer when that is
 * paused. One that goes on writing is noticed within seconds, and the move goes back.
 */
export function managedByOthers(controllers: readonly OtherController[], object: string, field: string, say: Say): Finding[] {
  return controllers.map(({ who, pause, writes }) =>
    say(
      'managed-by-others',
      'warning',
      writes
        ? `${who} writes ${field} of ${object}, which a move changes: while it is at work it takes the move back, users are shut out for as long`
        : `${who} keeps ${object}: if it writes ${field} too, it takes a move back`,
      `${pause}, for the time of the move; or let it ignore ${field}: docs/gitops.md`,
    ),
  )
}
