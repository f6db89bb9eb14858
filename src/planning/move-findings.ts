import { reaches } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import { asDriversKnow, type Finding } from '../domain/plan.ts'
import { readableDuration } from '../values/duration.ts'
import { lossFindings } from './loss.ts'
import type { MoveAssessment } from './move-assessment.ts'
import { levelByItself } from './self-fencing.ts'

/** Everything that a person should know before the move, blockers included. Pure. */
export const findingsOfMove = (assessment: MoveAssessment): Finding[] => [
  ...assessment.findings,
  ...fencingFindings(assessment),
  ...selfFencingFindings(assessment),
  ...lossFindings(assessment.loss, assessment.intent),
  ...assessment.wouldPromote,
  ...assessment.ahead,
]

/** Refuses a plan that does not shut the required level, and says why it does not wait for the guard of the site. */
function fencingFindings({ fence, liveness, intent, selfFencing }: MoveAssessment): Finding[] {
  const { required, planned, leftOpen } = fence
  if (required === null || reaches(planned, required)) return []
  const site = intent.from
  const guard =
    selfFencing?.within === null && levelByItself(required) !== null
      ? { why: `; its guard is not waited for: ${selfFencing.why}`, next: ` Or: ${selfFencing.next}` }
      : { why: '', next: '' }
  const alive = liveness.is === 'up'
  const whyRequired = alive ? `, for ${site} is seen alive (${whoSees(liveness)})` : ''
  const has = planned.length === 0 ? 'nothing' : planned.join(', ')
  const open = leftOpen.length === 0 ? '' : `, and leaves ${leftOpen.join(', ')} open`
  const next = alive
    ? `Make ${site} reachable for this runner, or switch it off, or plan a switchover.`
    : `Lower fencing.${asDriversKnow(intent).mode} in the stack file, or add a component that reaches ${required}, such as one of the driver command.`
  return [
    {
      code: 'fence-too-low',
      severity: 'blocker',
      site,
      what: `the fence of ${site} must reach ${required}${whyRequired}; this plan shuts ${has}${open}${guard.why}`,
      next: `${next}${guard.next}`,
    },
  ]
}

const whoSees = ({ sightings }: Liveness): string =>
  sightings
    .filter(({ says }) => says === 'up')
    .map(({ from, what }) => `${from}: ${what}`)
    .join('; ')

/**
 * Says for how long the lost site may take writes beside the promoted one, where the required level does not shut it
 * from inside and no planned fence is certain to.
 */
function selfFencingFindings({ selfFencing, fence, intent }: MoveAssessment): Finding[] {
  const isShutInside = reaches(fence.certain, 'database') || reaches(fence.certain, 'application')
  if (selfFencing === null || levelByItself(fence.required) !== null || isShutInside) return []
  const site = intent.from
  const common = { code: 'self-fencing-not-awaited', severity: 'info', site } as const
  const may = `${site} may take writes from inside after the promotion, if it lives,`
  if (selfFencing.within === null)
    return [{ ...common, what: `${may} for an unknown time: ${selfFencing.why}`, next: selfFencing.next }]
  return [
    {
      ...common,
      what: `${may} for up to ${readableDuration(selfFencing.within)}, until its guard has shut it`,
      next: 'To wait for that before anything is promoted, declare fencing.failover: database.',
    },
  ]
}
