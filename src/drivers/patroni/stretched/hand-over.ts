import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { askMembers, reachInto } from '../observe.ts'
import { askSwitchover, isInRecovery, isWritable, type Member } from '../rest-api.ts'
import { type DatabaseRun, membersAt, oftenAsked, pausedIn, readStoreOf, siteOf } from '../run.ts'
import { anyMember, askingAll } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec, siteOfMember } from '../spec.ts'
import { elsewhere, heldBy, type LockHeld } from './lock-held.ts'

/**
 * The lock, and with it the writes, goes to a member of the target site before the point of no return: the application
 * is stopped by then, and Patroni can hand it back as it handed it over.
 */
export const handOverStep = (component: Database, { from, to }: Intent): DriverStep<OfHandOver> =>
  planStep(handOver, to, {
    phase: 'FINAL_SYNC',
    title: `Has Patroni hand the lock of ${component.spec.scope} over to a member on ${to} that has received all: PostgreSQL of ${clusterNamed(component, from)} is shut down in good order before, and follows`,
    deadline: minutes(4),
    expected: seconds(6),
    fence: 'database',
    parameters: { source: from },
  })

type OfHandOver = {
  /** The site that hands over. */
  readonly source: string
}
type Run = DatabaseRun<OfHandOver>

/** `maximum_lag_on_failover` of Patroni by default. With the application stopped a member lacks nothing. */
const MOST_LAG = 1024 * 1024

export const handOver: Action<PatroniSpec, OfHandOver, LockHeld> = {
  name: 'hand-over',
  parameters: parametersOf<OfHandOver>({ source: TEXT }),
  behaviour: {
    is: 'plain',
    done: (run: Run) => lockAt(run, siteOf(run), run.step.parameters.source),
    apply: (run: Run) => hand(run, { from: run.step.parameters.source, to: siteOf(run) }),
    changes: oftenAsked,
    back: {
      undo: (run: Run) => hand(run, { from: siteOf(run), to: run.step.parameters.source }),
      undone: (run: Run) => lockAt(run, sourceOf(run), siteOf(run)),
    },
  },
  byHand: {
    say: (component, step) => ({
      commands: [
        `curl -sS ${anyMember(component, step.site)}/cluster   # which member leads, and which one on ${step.site} streams?`,
        `curl -sS -u "$LOGIN" -X POST -m 75 -d ${quoted('{"leader": "LEADER", "candidate": "CANDIDATE"}')} LEADER_API_URL/switchover`,
        ...askingAll(component, step.site),
      ],
      expect: `The candidate has the role primary and xlog.location, and every other member has xlog.received_location. To take it back: the same call with leader and candidate exchanged.`,
      never:
        'Take the text of the answer for the end: it may name another candidate, or say that the status is unknown.',
    }),
  },
}

function sourceOf(run: Run): SiteName {
  const { source } = run.step.parameters
  const site = run.context.stack.sites.find(({ name }) => name === source)
  if (site === undefined) throw new Error(`there is no site ${source}`)
  return site.name
}

/** Whether a member of one site holds the lock and alone accepts writes, and every member of the other one answers. */
async function lockAt(run: Run, site: SiteName, other: string): Promise<Seen<LockHeld, never>> {
  const view = await readStoreOf(run, site)
  const paused = pausedIn(view, site)
  if (paused !== null) return paused
  const held = view.leader === null ? null : siteOfMember(run.component, view.leader)
  if (view.leader === null || held !== site)
    return {
      is: 'pending',
      waitingFor: `a member on ${site} to hold the lock: ${view.leader === null ? 'none does' : `${view.leader} does`}`,
    }
  const [own, others, left] = await Promise.all([
    membersAt(run, site),
    elsewhere(run, site),
    askMembers(run.component, other, run.context, { signal: run.signal }),
  ])
  const open = Object.entries(left).flatMap(([name, member]) => (isInRecovery(member) ? [] : [name]))
  return open.length > 0
    ? { is: 'pending', waitingFor: `${open.join(', ')} to be seen in recovery` }
    : heldBy(view.leader, own, { ...others, ...left })
}

/**
 * Asks Patroni to hand the lock over, if a member of `from` holds it. The holder is read again right before, and
 * Patroni refuses a call that names another leader than it has. What it answers is a text: only a refused login and a
 * refused request are errors, and whether the lock has moved is looked at afterwards.
 */
async function hand(run: Run, { from, to }: { readonly from: SiteName | string; readonly to: string }): Promise<void> {
  const { component, context, signal } = run
  const view = await readStoreOf(run, siteOf(run))
  const { leader } = view
  // Without a holder Patroni elects one by itself: what it becomes is seen at the next look.
  if (leader === null || siteOfMember(component, leader) !== from) return
  const [own, others] = await Promise.all([from, to].map((site) => askMembers(component, site, context, { signal })))
  const [writer, candidate] = [own?.[leader], farthest(Object.values(others ?? {}).filter(isInRecovery))]
  const where = { retry: 'transient', where: to } as const
  if (!isWritable(writer))
    throw codes.error('patroni-unlocked', `${leader} holds the lock and does not accept writes yet`, {
      ...where,
      unanswered: true,
    })
  const lacks = candidate === null ? null : writer.writesAt - candidate.receivedAt
  if (candidate === null || candidate.timeline !== writer.timeline)
    throw codes.error(
      'patroni-not-streaming',
      `no member on ${to} follows ${leader} on timeline ${writer.timeline}`,
      where,
    )
  if (lacks === null || lacks > MOST_LAG)
    throw codes.error('patroni-too-far-behind', `${candidate.name} lacks ${lacks} bytes of ${leader}`, where)
  const asking = { reach: reachInto(from, context), signal }
  const answer = await askSwitchover(component, from, { leader, candidate: candidate.name }, context, asking)
  context.log.info(`${run.step.id}: Patroni answers ${answer.status}: ${answer.text}`)
  judge(answer, { leader, candidate: candidate.name, where: from })
}

/** Throws `patroni-refused` and `patroni-switchover-refused`. A 503 says that the end is not known. */
function judge(
  { status, text }: { readonly status: number; readonly text: string },
  { leader, candidate, where }: { readonly leader: string; readonly candidate: string; readonly where: string },
): void {
  if (status === 401 || status === 403)
    throw codes.error('patroni-refused', `${leader} refuses the login of a move (status ${status})`, {
      retry: 'never',
      where,
      next: 'Compare restApi.user and restApi.password with restapi.authentication of Patroni.',
    })
  if (status === 400 || status === 412)
    throw codes.error('patroni-switchover-refused', `${leader} does not hand over to ${candidate}: ${text}`, {
      retry: 'transient',
      where,
      next: 'Look at patronictl list, and at the log of Patroni on both members.',
    })
}

const farthest = <M extends Member & { readonly receivedAt: number }>(members: readonly M[]): M | null =>
  members.toSorted((a, b) => b.receivedAt - a.receivedAt)[0] ?? null
