import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type PatroniState, writerIn } from '../observe.ts'
import { isWritable } from '../rest-api.ts'
import {
  type AsSeen,
  type DatabaseRun,
  direct,
  followedBy,
  invalidateConfig,
  membersAt,
  oftenAsked,
  pausedIn,
  readStoreOf,
  siteOf,
  wakeAgain,
} from '../run.ts'
import { askingAll, directing } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { catchUp } from './catch-up.ts'
import { type Demoted, demote } from './demote.ts'

/** The new site begins a timeline of its own where the old primary ended. */
export function promoteStep(component: Database, { from, to }: Intent): DriverStep<OfPromotion> {
  return planStep(promote, to, {
    phase: 'PROMOTE',
    needs: [stepOf(component, catchUp, to)],
    irreversible: true,
    title: `Makes ${clusterNamed(component, to)} follow no site: its standby leader becomes the primary, on a new timeline`,
    deadline: minutes(3),
    expected: seconds(1),
    parameters: { follows: from, demoted: stepOf(component, demote, from).id },
  })
}

type OfPromotion = {
  /** The site that it follows until then. */
  readonly follows: string
  /** Id of the step that demoted the old primary. */
  readonly demoted: string
}
export interface Promoted extends Proof {
  readonly writable: true
  readonly primary: string
  readonly timeline: number
  readonly systemId: string | null
}
type Run = DatabaseRun<OfPromotion>

export const promote: Action<PatroniSpec, OfPromotion, Promoted> = {
  name: 'promote',
  parameters: parametersOf<OfPromotion>({ follows: TEXT, demoted: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const { follows, demoted } = run.step.parameters
      const demotion: StepReference<Demoted> = { id: demoted }
      return promotionSeen(run, follows, run.proofOf(demotion)?.timeline ?? null)
    },
    apply: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, null),
    changes: oftenAsked,
    invalidate: (run: Run) => invalidateConfig(run, siteOf(run)),
    nudge: { every: seconds(2), send: (run: Run) => wakeAgain(run, siteOf(run)) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: [...directing(component, step.site, null), ...askingAll(component, step.site)],
      expect: 'One member has the role primary, xlog.location, and a timeline above the one before.',
      never: 'Use pg_ctl promote: Patroni would demote the node again.',
    }),
  },
}

/** How far a promotion is, of a cluster that may follow that site and no other until then. */
export async function promotionSeen(
  run: DatabaseRun,
  follows: string,
  timelineBefore: number | null,
): Promise<Seen<Promoted, AsSeen>> {
  const site = siteOf(run)
  const [view, members] = await Promise.all([readStoreOf(run, site), membersAt(run, site)])
  const followed = followedBy(run, view)
  if (followed === null) return promotionOf(members, timelineBefore)
  if (followed !== follows)
    return {
      is: 'failed',
      code: codes.code['patroni-follows-another'],
      why: `${clusterNamed(run.component, site)} follows ${followed}, and not ${follows}: others have changed its configuration`,
      next: 'Find out who did, and why.',
    }
  return (
    pausedIn(view, site) ?? {
      is: 'pending',
      waitingFor: `${clusterNamed(run.component, site)} to follow no site`,
      due: { revision: view.config.revision },
    }
  )
}

/** Whether one member has left recovery, on a timeline above the one before (null: not known). Pure. */
export function promotionOf(members: PatroniState['members'], timelineBefore: number | null): Seen<Promoted, never> {
  const writer = writerIn({ members })
  if (writer === null) {
    const several = Object.values(members).filter(isWritable).length > 1
    return { is: 'pending', waitingFor: several ? 'one member alone to accept writes' : 'a member to leave recovery' }
  }
  const { name, timeline, systemId } = writer
  if (timeline === null || timeline <= (timelineBefore ?? 0))
    return { is: 'pending', waitingFor: `${name} to be on a timeline of its own` }
  return { is: 'done', proof: { writable: true, primary: name, timeline, systemId } }
}
