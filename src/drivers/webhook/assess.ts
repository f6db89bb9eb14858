import type { Observed } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { Assessment } from '../../driver/assessment.ts'
import { codes } from './codes.ts'
import { describe, type RoutingState } from './observe.ts'
import type { Routing } from './spec.ts'

/** What stands against a move (`intent`), or is worth a warning (null). Pure. */
export function assessRouting(
  component: Routing,
  seen: Observed<RoutingState>,
  intent: Intent | null,
  { activeSite }: Pick<Assessment, 'activeSite'>,
): Finding[] {
  if (seen.kind !== 'answering')
    return [
      codes.finding('routing-unknown', component, {
        severity: intent === null ? 'warning' : 'blocker',
        what: `it is unknown what users are sent to: ${seen.why}`,
        next: 'Restore the way to it. Without an answer no move can prove that users are kept out.',
        unanswered: true,
      }),
    ]
  if (activeSite === null || seen.state.serves === activeSite) return []
  return [
    codes.finding('routing-elsewhere', component, {
      severity: mayMove(seen.state, intent) ? 'warning' : 'blocker',
      what: `it ${describe(seen.state)}, and the witness says that ${activeSite} is active`,
      next: 'Finish the move that was begun, or send users to the active site by hand.',
    }),
  ]
}

/** In an emergency people close the door by hand, or open the other one: the move sets the right value anyway. */
function mayMove({ serves }: RoutingState, intent: Intent | null): boolean {
  if (intent === null || intent.mode === 'reopen') return true
  return intent.mode === 'failover' && (serves === 'closed' || serves === intent.to)
}
