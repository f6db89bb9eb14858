import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { isInRecovery, isWritable, type Member, type MemberView } from '../rest-api.ts'
import {
  type AsSeen,
  type DatabaseRun,
  direct,
  followedBy,
  invalidateConfig,
  isDirectedTo,
  membersAt,
  pausedIn,
  readStoreOf,
  siteOf,
  wakeAgain,
} from '../run.ts'
import { askingAll, directing } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'

/** The old primary is shut down in good order, and comes back as a standby of the other site. */
export function demoteStep(
  component: Database,
  { from, to }: Intent,
  members: readonly string[],
): DriverStep<OfDemotion> {
  return planStep(demote, from, {
    phase: 'FENCE',
    title: `Makes ${clusterNamed(component, from)} a standby cluster of ${to}: PostgreSQL is shut down in good order on its primary, and every member is seen in recovery, at one position`,
    deadline: minutes(3),
    expected: seconds(6),
    fence: 'database',
    parameters: { successor: to, members },
  })
}

export type OfDemotion = {
  /** The site that is promoted afterwards. */
  readonly successor: string
  /** The members that answered when the plan was made: each must be seen in recovery. */
  readonly members: readonly string[]
}
export interface Demoted extends Proof {
  /** Position in bytes at which every member stands: the end of the shutdown checkpoint of the primary. */
  readonly endedAt: number
  readonly timeline: number
  readonly systemId: string | null
  readonly leader: string
}
type Run = DatabaseRun<OfDemotion>

export const demote: Action<PatroniSpec, OfDemotion, Demoted> = {
  name: 'demote',
  parameters: parametersOf<OfDemotion>({ successor: TEXT, members: listOf(TEXT) }),
  behaviour: {
    is: 'versioned',
    async done(run: Run): Promise<Seen<Demoted, AsSeen>> {
      const { successor, members: counted } = run.step.parameters
      const [view, members] = await Promise.all([readStoreOf(run, siteOf(run)), membersAt(run, siteOf(run))])
      if (isDirectedTo(run.component, siteOf(run), view, successor)) return demotionOf(members, counted)
      const paused = pausedIn(view, siteOf(run))
      if (paused !== null) return paused
      // Patroni changes the primary inside its site: it ends that first, and the plan's position is no help until then.
      const writer = writerIn({ members })
      if (view.leader === null || writer === null)
        return { is: 'pending', waitingFor: `Patroni on ${siteOf(run)} to have elected a primary` }
      // A member that is not with its primary yet would never come to its position: amid the move Patroni compares it
      // with the other site (get_remote_member in ha.py), which is no primary before the promotion (seen: 120 s).
      const apart = counted.filter((name) => !follows(members[name], writer))
      if (apart.length > 0) return { is: 'pending', waitingFor: `${apart.join(', ')} to follow ${writer.name}` }
      return {
        is: 'pending',
        waitingFor: `${clusterNamed(run.component, siteOf(run))} to follow ${successor}`,
        due: { revision: view.config.revision },
      }
    },
    apply: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, run.step.parameters.successor),
    invalidate: (run: Run) => invalidateConfig(run, siteOf(run)),
    nudge: { every: seconds(2), send: (run: Run) => wakeAgain(run, siteOf(run)) },
    back: {
      undo: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, null),
      undone,
      nudge: { every: seconds(2), send: (run: Run) => wakeAgain(run, siteOf(run)) },
    },
  },
  byHand: {
    say: (component, step) => ({
      commands: [...directing(component, step.site, step.parameters.successor), ...askingAll(component, step.site)],
      expect:
        'Every member has xlog.received_location and none has xlog.location, one has the role standby_leader, and all received_location are equal. To take it back: the same PATCH with {"standby_cluster": null}.',
      never:
        'Believe /cluster here: it calls the primary a standby leader while it still accepts writes. Never promote the other site before.',
    }),
  },
}

/**
 * Whether a site accepts no write any more, and stands still. The role of a member follows from its configuration, and
 * says `standby_leader` of a primary that still writes (0.3 s after the change, measured): PostgreSQL itself must be in
 * recovery, on every member. Pure.
 */
export function demotionOf(members: PatroniState['members'], counted: readonly string[]): Seen<Demoted, never> {
  const writing = Object.entries(members).flatMap(([name, member]) => (isWritable(member) ? [name] : []))
  if (writing.length > 0) return { is: 'pending', waitingFor: `${writing.join(', ')} to accept no write any more` }
  const open = counted.filter((name) => !isInRecovery(members[name]))
  if (open.length > 0) return { is: 'pending', waitingFor: `${open.join(', ')} to be seen in recovery` }
  const leader = standbyLeaderIn({ members })
  if (leader === null) return { is: 'pending', waitingFor: 'a member to be the standby leader' }
  const positions = counted.flatMap((name) => {
    const member = members[name]
    return isInRecovery(member) ? [member.receivedAt, member.replayedAt] : []
  })
  if (positions.some((position) => position !== leader.receivedAt))
    return { is: 'pending', waitingFor: `${counted.join(', ')} to have received and replayed the same` }
  return leader.timeline === null
    ? { is: 'pending', waitingFor: `${leader.name} to say its timeline` }
    : {
        is: 'done',
        proof: {
          endedAt: leader.receivedAt,
          timeline: leader.timeline,
          systemId: leader.systemId,
          leader: leader.name,
        },
      }
}

/** Whether a member is the primary, or replicates on its timeline. */
const follows = (member: MemberView | undefined, writer: Member): boolean =>
  member?.is === 'answering' &&
  (member.name === writer.name || (member.replication !== null && member.timeline === writer.timeline))

interface Undone extends Proof {
  readonly primary: string
  readonly timeline: number | null
  readonly writesAt: number
}

/** Undone means that it serves again: one member accepts writes. */
async function undone(run: Run): Promise<Seen<Undone, AsSeen>> {
  const site = siteOf(run)
  const { successor } = run.step.parameters
  const [view, members] = await Promise.all([readStoreOf(run, site), membersAt(run, site)])
  const followed = followedBy(run, view)
  if (followed !== null && followed !== successor)
    return {
      is: 'failed',
      code: codes.code['patroni-follows-another'],
      why: `${clusterNamed(run.component, site)} follows ${followed}, and not ${successor}: others have changed its configuration`,
      next: 'Find out who did, and why, before it is made a primary again.',
    }
  if (followed !== null)
    return {
      is: 'pending',
      waitingFor: `${clusterNamed(run.component, site)} to follow no site`,
      due: { revision: view.config.revision },
    }
  const writer = writerIn({ members })
  return writer === null
    ? { is: 'pending', waitingFor: `a member of ${clusterNamed(run.component, site)} to accept writes again` }
    : { is: 'done', proof: { primary: writer.name, timeline: writer.timeline, writesAt: writer.writesAt } }
}
