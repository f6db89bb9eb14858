import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import type { ShutDownPrimary } from '../../../systems/postgres/shutdown-end.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { endedOn, hostOf } from '../host.ts'
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
  oftenAsked,
  pausedIn,
  readStoreOf,
  siteOf,
  wakeAgain,
} from '../run.ts'
import { askingAll, directing } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'

/**
 * The old primary is shut down in good order, and comes back as a standby of the other site. Nothing waits for its
 * return: what is promoted rests on the end of its PostgreSQL (`demotedIn`).
 */
export function demoteStep(
  component: Database,
  { from, to }: Intent,
  members: readonly string[],
): DriverStep<OfDemotion> {
  return planStep(demote, from, {
    phase: 'FENCE',
    title: `Makes ${clusterNamed(component, from)} a standby cluster of ${to}: PostgreSQL is shut down in good order on its primary, and every other member is seen in recovery, at the position where it ended`,
    deadline: minutes(3),
    expected: seconds(2),
    fence: 'database',
    parameters: { successor: to, members },
  })
}

export type OfDemotion = {
  /** The site that is promoted afterwards. */
  readonly successor: string
  /**
   * The members that answered when the plan was made: each must be seen in recovery, but for a primary whose end is
   * proven.
   */
  readonly members: readonly string[]
}
export interface Demoted extends Proof {
  /** Position in bytes at which every member stands: the end of the shutdown checkpoint of the primary. */
  readonly endedAt: number
  readonly timeline: number
  readonly systemId: string | null
  /** The member that leads as a standby, or the primary that was shut down. */
  readonly leader: string
}
/** With the member that must hold the lock when the effect takes place; null on the way back, which asks for none. */
type AsLed = AsSeen & { readonly leader: string | null }
type Run = DatabaseRun<OfDemotion>

export const demote: Action<PatroniSpec, OfDemotion, Demoted> = {
  name: 'demote',
  parameters: parametersOf<OfDemotion>({ successor: TEXT, members: listOf(TEXT) }),
  behaviour: {
    is: 'versioned',
    async done(run: Run): Promise<Seen<Demoted, AsLed>> {
      const { successor, members: counted } = run.step.parameters
      const [view, members] = await Promise.all([readStoreOf(run, siteOf(run)), membersAt(run, siteOf(run))])
      if (isDirectedTo(run.component, siteOf(run), view, successor)) return demotedIn(run, members)
      const paused = pausedIn(view, siteOf(run))
      if (paused !== null) return paused
      // Patroni changes the primary inside its site: it ends that first, and the plan's position is no help until then.
      const writer = writerIn({ members })
      if (writer === null || view.leader !== writer.name)
        return { is: 'pending', waitingFor: `Patroni on ${siteOf(run)} to have elected a primary` }
      // A member that is not with its primary yet would never come to its position: amid the move Patroni compares it
      // with the other site (get_remote_member in ha.py), which is no primary before the promotion (seen: 120 s).
      const apart = apartFrom(writer, members, counted)
      if (apart.length > 0) return { is: 'pending', waitingFor: `${apart.join(', ')} to follow ${writer.name}` }
      return {
        is: 'pending',
        waitingFor: `${clusterNamed(run.component, siteOf(run))} to follow ${successor}`,
        due: { revision: view.config.revision, leader: writer.name },
      }
    },
    apply: (run: Run, seen: AsLed) => direct(run, siteOf(run), seen, run.step.parameters.successor, seen.leader),
    changes: oftenAsked,
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
 * Whether a site accepts no write any more, although its primary has not come back as a standby yet, which takes
 * Patroni some six seconds without an archive (it sleeps for three of them, `demote` in ha.py). What stands for the
 * sight of it in recovery:
 *
 * - PostgreSQL of the primary is proven to have written its last record: its control file says `shut down`, which a
 *   primary writes with its shutdown checkpoint, and a standby never. No client is connected by then, and none is let
 *   in: a postmaster that lingers waits for its senders and its archiver, and can only end. The length of the record
 *   says where it ended, to the byte.
 * - What starts PostgreSQL again is its Patroni, which answers, and says that it stops or has demoted it. From there
 *   each way leads through `follow` (`demote` in ha.py), which starts it with `standby.signal`. A Patroni that hangs or
 *   has died proves nothing: it may have seen the former configuration, or none.
 * - Every other member answers after that, is in recovery, and stands at that end. It cannot be promoted: the store had
 *   `standby_cluster` in force while the primary held the lock (the transaction compared both), and a member that finds
 *   the lock free reads from the store a later state than that.
 *
 * Without that proof, such as for a primary that starts again already, the sight of all members in recovery counts.
 */
async function demotedIn(run: Run, members: PatroniState['members']): Promise<Seen<Demoted, AsLed>> {
  const { members: counted } = run.step.parameters
  // After the point of no return the members follow what the new site writes, and stand at no position in common.
  const itself: StepReference<Demoted> = { id: run.step.id }
  const before = run.pastReturn ? run.proofOf(itself) : null
  const isShut = writersIn(members).length === 0 && counted.every((name) => isInRecovery(members[name]))
  if (before !== null && isShut) return { is: 'done', proof: before }
  const seen = demotionOf(members, counted)
  const name = seen.is === 'done' ? null : shuttingIn(members, counted)
  if (name === null) return seen
  const host = hostOf(run.component, siteOf(run), name, run.context, run.signal)
  // A host that does not answer proves nothing, and fails nothing: Patroni may show the primary in recovery.
  const ended = await endedOn(host).catch(() => null)
  run.signal.throwIfAborted()
  if (ended === null) return seen
  const member = members[name]
  const isStopping = member?.is === 'answering' && member.state === 'stopping'
  if (ended.lingers && !isStopping) return seen
  return endedWith(await membersAt(run, siteOf(run)), counted, { name, ...ended })
}

/** The one counted member that is not in recovery, if its Patroni says that it shuts PostgreSQL down. Pure. */
export function shuttingIn(members: PatroniState['members'], counted: readonly string[]): string | null {
  const [name, ...more] = counted.filter((one) => !isInRecovery(members[one]))
  const member = name === undefined ? undefined : members[name]
  if (name === undefined || more.length > 0 || member?.is !== 'answering' || isWritable(member)) return null
  const isShutting = member.state === 'stopping' || (member.state === 'stopped' && member.role === 'demoted')
  return isShutting ? name : null
}

/** Whether the others stand where a primary ended. Pure. */
export function endedWith(
  members: PatroniState['members'],
  counted: readonly string[],
  primary: ShutDownPrimary & { readonly name: string },
): Seen<Demoted, never> {
  const writing = writersIn(members)
  if (writing.length > 0) return { is: 'pending', waitingFor: `${writing.join(', ')} to accept no write any more` }
  const apart = counted.filter((name) => {
    const member = members[name]
    return name !== primary.name && !(isInRecovery(member) && standsAt(member, primary.endedAt))
  })
  if (apart.length > 0)
    return { is: 'pending', waitingFor: `${apart.join(', ')} to have received and replayed up to ${primary.endedAt}` }
  const { endedAt, timeline, name } = primary
  const member = members[name]
  const systemId = member?.is === 'answering' ? member.systemId : null
  return { is: 'done', proof: { endedAt, timeline, systemId, leader: name } }
}

const standsAt = (member: { readonly receivedAt: number; readonly replayedAt: number }, at: number): boolean =>
  member.receivedAt === at && member.replayedAt === at
const writersIn = (members: PatroniState['members']): string[] =>
  Object.entries(members).flatMap(([name, member]) => (isWritable(member) ? [name] : []))

/**
 * Whether a site accepts no write any more, and stands still. The role of a member follows from its configuration, and
 * says `standby_leader` of a primary that still writes (0.3 s after the change, measured): PostgreSQL itself must be in
 * recovery, on every member, and all must stand at one position. Pure.
 */
export function demotionOf(members: PatroniState['members'], counted: readonly string[]): Seen<Demoted, never> {
  const writing = writersIn(members)
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

/** The members that neither are the primary nor replicate on its timeline. Pure. */
export const apartFrom = (writer: Member, members: PatroniState['members'], of: readonly string[]): string[] =>
  of.filter((name) => !follows(members[name], writer))

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
async function undone(run: Run): Promise<Seen<Undone, AsLed>> {
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
      due: { revision: view.config.revision, leader: null },
    }
  const writer = writerIn({ members })
  return writer === null
    ? { is: 'pending', waitingFor: `a member of ${clusterNamed(run.component, site)} to accept writes again` }
    : { is: 'done', proof: { primary: writer.name, timeline: writer.timeline, writesAt: writer.writesAt } }
}
