import type { Intent, Phase } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import type { Fork } from '../../../systems/postgres/timeline-history.ts'
import { parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { historyOnHost, hostOf } from '../host.ts'
import { type PatroniState, standbyLeaderIn, writerIn } from '../observe.ts'
import { isWritable } from '../rest-api.ts'
import { type DatabaseRun, type Failed, historyOfPrimary, membersAt, siteOf, wakeAgain } from '../run.ts'
import { askingAll } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'

/** A passive site follows the active one, with nothing that the other lacks. */
export function followStep(
  component: Database,
  follower: Intent['from'],
  followed: Intent['to'],
  phase: Phase,
  {
    needs = [],
    isCopied = false,
  }: { readonly needs?: readonly StepReference<Proof>[]; readonly isCopied?: boolean } = {},
): DriverStep<OfFollowing> {
  return planStep(follow, follower, {
    phase,
    needs,
    title: `Waits until ${clusterNamed(component, follower)} streams from ${followed} on its timeline, and has the same history`,
    // A copy of the whole database takes hours where that is large.
    deadline: isCopied ? minutes(240) : minutes(10),
    expected: seconds(8),
    parameters: { followed },
  })
}

export type OfFollowing = {
  /** The site that is followed. */
  readonly followed: string
}
export interface Following extends Proof {
  readonly leader: string
  readonly timeline: number
  /** Bytes that it has not replayed. */
  readonly behind: number
}
type Run = DatabaseRun<OfFollowing>

export const follow: Action<PatroniSpec, OfFollowing, Following> = {
  name: 'follow',
  parameters: parametersOf<OfFollowing>({ followed: TEXT }),
  behaviour: {
    is: 'check',
    done: (run: Run) => hasFollowed(run, run.step.parameters.followed),
    // After the promotion of the other site a standby leader tries to connect every 5 s, and Patroni looks every 10 s.
    nudge: { every: seconds(3), send: (run: Run) => wakeAgain(run, siteOf(run)) },
  },
  byHand: {
    say: (component, step) => ({
      commands: [...askingAll(component, step.site), ...askingAll(component, step.parameters.followed)],
      expect:
        'The standby leader has replication_state streaming and the timeline of the primary, and is not beyond its position. Compare the last lines of /history of both sites: where both left one timeline, the positions are equal.',
      never: 'Take the role standby_leader alone for success: it is there also where nothing is replicated.',
    }),
  },
}

/** Whether the site of a step follows another one. */
export async function hasFollowed(run: DatabaseRun, followed: string): Promise<Seen<Following, never>> {
  const site = siteOf(run)
  const [own, others] = await Promise.all([membersAt(run, site), membersAt(run, followed)])
  const progress = followingOf(own, others, clusterNamed(run.component, site))
  if (progress.is !== 'done') return progress
  const primary = writerIn({ members: others })?.name ?? ''
  return (await parted(run, followed, progress.proof, primary)) ?? progress
}

/** By streams and positions; the histories are compared apart. Pure. */
export function followingOf(
  own: PatroniState['members'],
  others: PatroniState['members'],
  cluster: string,
): Seen<Following, never> {
  const writing = Object.entries(own).flatMap(([name, member]) => (isWritable(member) ? [name] : []))
  if (writing.length > 0) return { is: 'pending', waitingFor: `${writing.join(', ')} to accept no write any more` }
  const [leader, writer] = [standbyLeaderIn({ members: own }), writerIn({ members: others })]
  if (leader === null) return { is: 'pending', waitingFor: `${cluster} to have a standby leader` }
  if (writer === null) return { is: 'pending', waitingFor: 'the active site to have one primary' }
  if (leader.replication !== 'streaming')
    return { is: 'pending', waitingFor: `${leader.name} to stream (${leader.replication ?? leader.state})` }
  if (leader.timeline === null || leader.timeline !== writer.timeline)
    return {
      is: 'pending',
      waitingFor: `${leader.name} to be on timeline ${writer.timeline}: it is on ${leader.timeline}`,
    }
  return {
    is: 'done',
    proof: {
      leader: leader.name,
      timeline: leader.timeline,
      behind: Math.max(0, writer.writesAt - leader.replayedAt),
    },
  }
}

/**
 * Whether the standby leader came to its timeline as the primary did, by its own files: the history in the store of a
 * passive site is the one of its last promotion. Null: it did.
 */
async function parted(
  run: DatabaseRun,
  followed: string,
  { leader, timeline }: Following,
  primary: string,
): Promise<Failed | Extract<Seen<Following, never>, { readonly is: 'pending' }> | null> {
  if (timeline === 1) return null
  const theirs = await historyOfPrimary(run, followed, { primary, timeline })
  if (theirs.length === 0)
    return { is: 'pending', waitingFor: `${primary} on ${followed} to say how it came to timeline ${timeline}` }
  const own = await historyOnHost(hostOf(run.component, siteOf(run), leader, run.context, run.signal), timeline)
  if (own.length === 0) return { is: 'pending', waitingFor: `${leader} to have the history of timeline ${timeline}` }
  const other = own.find((line) => theirs.some((their) => their.timeline === line.timeline && !isSame(their, line)))
  return other === undefined
    ? null
    : {
        is: 'failed',
        code: codes.code['patroni-history-forked'],
        why: `${leader} left timeline ${other.timeline} at ${other.at}, and the primary of ${followed} did so elsewhere: it streams, and has rows that ${followed} lacks`,
        next: `Have the site made anew: standby failover plan --mode rejoin --to ${siteOf(run)}`,
      }
}
const isSame = (one: Fork, other: Fork): boolean => parseLsn(one.at) === parseLsn(other.at)
