import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import type { Manual } from '../../../driver/manual.ts'
import { listOf, NUMBER, orNull, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { MeasuredLoss, Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { answeringIn, mastersIn } from '../observe.ts'
import {
  askingOf,
  CLOSED,
  type GroupRun,
  isClosed,
  NO_FILE,
  redisAtSite,
  redisOfRun,
  setSetting,
  siteOf,
} from '../run.ts'
import { atEachSentinel, atServer } from '../runbook.ts'
import { type Group, minReplicasOf, type RedisSentinelSpec } from '../spec.ts'
import type { RedisServer } from '../views.ts'
import { tell } from '../wire.ts'
import { type ClosedSite, fence } from './close.ts'
import { askForFailover, sentinelFor } from './ready-sentinel.ts'

/** Sentinel promotes the chosen Redis, and leads all others to it. */
export const promoteStep = (component: Group, { from, to }: Intent, chosen: string): DriverStep<OfPromotion> =>
  planStep(promote, to, {
    phase: 'PROMOTE',
    irreversible: true,
    title: `Asks Sentinel of ${to} for a failover: ${chosen} becomes the master of ${component.spec.group}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { chosen, former: from },
  })

/** The same without the lost site. Sentinels in the minority carry it out when they are asked. */
export const promoteLostStep = (
  component: Group,
  { from, to }: Intent,
  chosen: string,
  { silentFor, by }: Pick<OfLostPromotion, 'silentFor' | 'by'>,
): DriverStep<OfLostPromotion> =>
  planStep(promoteLost, to, {
    phase: 'PROMOTE',
    irreversible: true,
    title: `${by.length === 0 ? `Promotes ${chosen} by REPLICAOF NO ONE, because no Sentinel outside ${from} answers` : `Asks Sentinel of ${by.join(' or ')} for a failover without ${from}`}: ${chosen} becomes the master of ${component.spec.group}, and what was lost is said`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { chosen, fenced: stepOf(component, fence, from).id, silentFor, by },
  })

type OfPromotion = {
  readonly chosen: string
  /** The site that hands over. */
  readonly former: string
}
type OfLostPromotion = {
  readonly chosen: string
  /** Id of the step that fenced the lost site; a plan need not have it. */
  readonly fenced: string
  /** Seconds since the chosen Redis heard of its master, when the plan was made; null: not known. */
  readonly silentFor: number | null
  /** Sites whose Sentinels are asked. Empty: it is promoted without a Sentinel. */
  readonly by: readonly string[]
}
interface Promoted extends Proof {
  readonly master: string
  /** Where its own history begins: bytes. */
  readonly offset: number
}

export const promote: Action<RedisSentinelSpec, OfPromotion, Promoted> = {
  name: 'promote',
  parameters: parametersOf<OfPromotion>({ chosen: TEXT, former: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: GroupRun<OfPromotion>) {
      const { chosen } = run.step.parameters
      return promotionOf(chosen, await redisOfRun(run, siteOf(run), chosen))
    },
    apply: (run: GroupRun<OfPromotion>) => handOver(run),
    // Sentinel gives up by itself after failover-timeout, and then needs to be asked again.
    nudge: { every: seconds(5), send: (run: GroupRun<OfPromotion>) => handOver(run) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => promotingByHand(component, step.site ?? '', step.parameters.chosen, step.site ?? ''),
  },
}

/** Signs of life of the lost master come and go. */
const anyNumber = (): boolean => true

export const promoteLost: Action<RedisSentinelSpec, OfLostPromotion, Promoted & { readonly loss: MeasuredLoss }> = {
  name: 'promote-lost',
  parameters: parametersOf<OfLostPromotion>({
    chosen: TEXT,
    fenced: TEXT,
    silentFor: orNull(NUMBER),
    by: listOf(TEXT),
  }),
  varies: { silentFor: anyNumber },
  behaviour: {
    is: 'plain',
    async done(run: GroupRun<OfLostPromotion>) {
      const { chosen } = run.step.parameters
      const server = await redisOfRun(run, siteOf(run), chosen)
      const seen = promotionOf(chosen, server)
      return seen.is === 'done' ? { is: 'done', proof: { ...seen.proof, loss: lossOf(run, server) } } : seen
    },
    apply: (run: GroupRun<OfLostPromotion>) => takeOver(run),
    nudge: { every: seconds(5), send: (run: GroupRun<OfLostPromotion>) => takeOver(run) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) =>
      step.parameters.by.length === 0
        ? aloneByHand(component, step.site ?? '', step.parameters.chosen)
        : promotingByHand(component, step.site ?? '', step.parameters.chosen, step.parameters.by[0] ?? ''),
  },
}

const promotingByHand = (component: Group, site: string, chosen: string, asked: string): Manual => ({
  commands: [
    ...atEachSentinel(component, asked, ['SENTINEL', 'FAILOVER', component.spec.group]).slice(0, 1),
    atServer(component, { kind: 'redis', site, name: chosen }, ['ROLE']),
  ],
  expect: `Within 2 s ${chosen} answers master. NOGOODSLAVE: its priority is 0, or it was cut off for too long; INPROG: a failover runs.`,
  never:
    'Leave the old master open: it stays a master for about 10 s after the others have moved on, and what it acknowledges is lost.',
})

const aloneByHand = (component: Group, site: string, chosen: string): Manual => ({
  commands: [...WITHOUT_SENTINEL, ['ROLE']].map((words) =>
    atServer(component, { kind: 'redis', site, name: chosen }, words),
  ),
  expect: `${chosen} answers master.`,
  never:
    'Let the old master and a Sentinel that still names it run at the same time: that Sentinel makes the new master a replica of the old one within 10 s.',
})

/** The file as well: a restart brings a master back. */
const WITHOUT_SENTINEL = [
  ['REPLICAOF', 'NO', 'ONE'],
  ['CONFIG', 'REWRITE'],
] as const

/** A master that refuses every write serves no client: an earlier move may have left it closed. Pure. */
function promotionOf(chosen: string, server: RedisServer): Seen<Promoted, never> {
  if (server.role !== 'master') return { is: 'pending', waitingFor: `Sentinel to promote ${chosen}` }
  if (isClosed(server)) return { is: 'pending', waitingFor: `${chosen} to accept writes` }
  return { is: 'done', proof: { master: chosen, offset: server.leftAt ?? server.offset } }
}

/**
 * Once more, and immediately before: every Redis of the old site refuses writes, and the chosen one has received all.
 * A master that was restarted since is open again.
 */
async function handOver(run: GroupRun<OfPromotion>): Promise<void> {
  const { chosen, former } = run.step.parameters
  for (const [name, server] of answeringIn({ redis: await redisAtSite(run, former) }))
    if (!isClosed(server)) await setSetting(run, former, name, 'min-replicas-to-write', CLOSED)
  const [master] = mastersIn({ redis: await redisAtSite(run, former) })
  if (master !== undefined) await sameAs(run, master, chosen)
  await promoteBy(run, [siteOf(run)])
}

/** Throws `sentinel-too-far-behind` (transient): the step tries again. */
async function sameAs(
  run: GroupRun<OfPromotion>,
  [name, master]: readonly [string, RedisServer],
  chosen: string,
): Promise<void> {
  const replica = await redisOfRun(run, siteOf(run), chosen)
  if (replica.role === 'master' || (replica.history === master.history && replica.offset >= master.offset)) return
  throw codes.error('sentinel-too-far-behind', `${chosen} has not received all of ${name}`, {
    retry: 'transient',
    where: siteOf(run),
    next: `Look at the link between ${chosen} and ${name}.`,
  })
}

/** By a Sentinel that answers, or without one where none did when the plan was made. */
async function takeOver(run: GroupRun<OfLostPromotion>): Promise<void> {
  const { chosen, by } = run.step.parameters
  if (by.length > 0) return promoteBy(run, by)
  const server = await opened(run)
  if (server.role === 'master') return
  await tell(run.component, { kind: 'redis', site: siteOf(run), name: chosen }, WITHOUT_SENTINEL, askingOf(run), [
    NO_FILE,
  ])
}

async function promoteBy(run: GroupRun<OfPromotion> | GroupRun<OfLostPromotion>, by: readonly string[]): Promise<void> {
  const server = await opened(run)
  // Asked once more, Sentinel would move the master away again.
  if (server.role === 'master') return
  const sentinel = await sentinelFor(run, by, siteOf(run), run.step.parameters.chosen)
  if (sentinel !== null) await askForFailover(run, sentinel)
}

/** The chosen Redis, which refuses no writes from now on. */
async function opened(run: GroupRun<OfPromotion> | GroupRun<OfLostPromotion>): Promise<RedisServer> {
  const site = siteOf(run)
  const { chosen } = run.step.parameters
  const server = await redisOfRun(run, site, chosen)
  if (isClosed(server))
    await setSetting(run, site, chosen, 'min-replicas-to-write', minReplicasOf(run.component, site, chosen))
  return server
}

/**
 * Exact where the old master was closed first, and the new one went on from its history; else from its last sign of
 * life. By the offset at which the new one left that history: its own offset grows from then on.
 */
function lossOf(run: GroupRun<OfLostPromotion>, { historyBefore, leftAt, offset }: RedisServer): MeasuredLoss {
  const { chosen, fenced, silentFor } = run.step.parameters
  const reference: StepReference<ClosedSite> = { id: fenced }
  const closed = run.proofOf(reference)
  if (closed?.offset != null && leftAt !== null && closed.history === historyBefore) {
    const bytes = Math.max(0, closed.offset - leftAt)
    return {
      of: 'cache',
      bytes: [bytes, bytes],
      seconds: bytes === 0 ? [0, 0] : [0, silentFor],
      lastCommitAt: null,
      why: `${closed.master} was closed at the offset ${closed.offset}, and ${chosen} goes on from ${leftAt}`,
    }
  }
  const unknown = { of: 'cache', bytes: [0, null], seconds: [0, silentFor], lastCommitAt: null } as const
  if (closed?.offset != null)
    return {
      ...unknown,
      why: `${closed.master} was closed at the offset ${closed.offset}, and ${chosen} goes on from another history: what it lacks is not known`,
    }
  return {
    ...unknown,
    why: `the lost master is silent: what it acknowledged after ${chosen} last heard of it is not known; ${chosen} goes on from the offset ${leftAt ?? offset}`,
  }
}
