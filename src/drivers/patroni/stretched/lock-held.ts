import type { Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { askMembers, type PatroniState } from '../observe.ts'
import { isWritable } from '../rest-api.ts'
import { type DatabaseRun, membersAt, oftenAsked, pausedIn, readStoreOf, siteOf } from '../run.ts'
import { askingAll } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec, siteOfMember } from '../spec.ts'

/**
 * The fence of a database that has moved by itself. Patroni gives its lock to another member only when the former
 * holder has released it, or has not renewed it for `ttl`; before that the former one has demoted itself, because
 * `loop_wait + 2 × retry_timeout` is at most `ttl`. So once the majority of the store says that a member of the
 * target holds it, no other site accepts writes. What it does not cover: a Patroni that hangs on a host
 * without a watchdog.
 */
export const lockHeldStep = (component: Database, { from, to }: Intent): DriverStep<OfLock> =>
  planStep(lockHeld, to, {
    phase: 'FENCE',
    title: `Asserts that a member on ${to} holds the lock of ${component.spec.scope}, accepts writes, and that no other member that answers does: Patroni itself shuts ${clusterNamed(component, from)}`,
    deadline: minutes(1),
    expected: seconds(0.2),
    fence: 'database',
    parameters: { left: from },
  })

type OfLock = {
  /** The site that the database has left. */
  readonly left: string
}
export interface LockHeld extends Proof {
  readonly holder: string
  readonly timeline: number
  /** Members of other sites that do not answer: that they accept no write rests on the lock alone. */
  readonly silent: readonly string[]
}
type Run = DatabaseRun<OfLock>

export const lockHeld: Action<PatroniSpec, OfLock, LockHeld> = {
  name: 'lock-held',
  parameters: parametersOf<OfLock>({ left: TEXT }),
  behaviour: {
    is: 'check',
    async done(run: Run): Promise<Seen<LockHeld, never>> {
      const site = siteOf(run)
      const view = await readStoreOf(run, site)
      const paused = pausedIn(view, site)
      if (paused !== null) return paused
      if (view.leader === null) return { is: 'pending', waitingFor: 'Patroni to give its lock to a member' }
      const held = siteOfMember(run.component, view.leader)
      if (held !== site)
        return {
          is: 'failed',
          code: codes.code['patroni-lock-elsewhere'],
          why: `${view.leader} (${held ?? 'of no declared site'}) holds the lock, and not a member on ${site}`,
          next: 'Look at standby status: Patroni has moved the database again.',
        }
      const [own, others] = await Promise.all([membersAt(run, site), elsewhere(run, site)])
      return heldBy(view.leader, own, others)
    },
    changes: oftenAsked,
  },
  byHand: {
    say: (component, step) => ({
      commands: askingAll(component, step.site),
      expect: `One member has the role primary and xlog.location. /cluster of any member names no other leader, and no member on ${step.parameters.left} that answers has xlog.location.`,
    }),
  },
}

/** Whether the holder accepts writes, and no other member that answers does. Pure. */
export function heldBy(
  holder: string,
  own: PatroniState['members'],
  others: PatroniState['members'],
): Seen<LockHeld, never> {
  const writing = Object.entries({ ...own, ...others }).flatMap(([name, member]) =>
    name !== holder && isWritable(member) ? [name] : [],
  )
  if (writing.length > 0)
    return { is: 'pending', waitingFor: `${writing.join(', ')} to accept no write any more: ${holder} holds the lock` }
  const member = own[holder]
  if (!isWritable(member) || member.timeline === null)
    return { is: 'pending', waitingFor: `${holder}, which holds the lock, to accept writes` }
  const silent = Object.entries(others).flatMap(([name, one]) => (one.is === 'silent' ? [name] : []))
  return { is: 'done', proof: { holder, timeline: member.timeline, silent } }
}

/** A site that is lost keeps no step waiting: it is asked, and its silence is a value. */
const LOST = seconds(1.5)

/** The members of every site but this one. */
export async function elsewhere(run: DatabaseRun, site: SiteName): Promise<PatroniState['members']> {
  const others = Object.keys(run.component.spec.sites).filter((name) => name !== site)
  const seen = await Promise.all(
    others.map((name) => askMembers(run.component, name, run.context, { signal: run.signal, mayBeLost: LOST })),
  )
  return Object.assign({}, ...seen) as PatroniState['members']
}
