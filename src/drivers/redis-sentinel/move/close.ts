import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen } from '../../../driver/behaviour.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { parametersOf } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { answeringIn, type GroupState, mastersIn } from '../observe.ts'
import { CLOSED, type GroupRun, isClosed, redisAtSite, setSetting, siteOf, writeFile } from '../run.ts'
import { atEachRedis } from '../runbook.ts'
import { type Group, groupNamed, minReplicasOf, type RedisSentinelSpec } from '../spec.ts'

/**
 * Every Redis of a site refuses writes, whichever of them is or becomes the master. By `min-replicas-to-write`, and not
 * by CLIENT PAUSE WRITE: a paused master does not answer the PUBLISH of the Sentinels, which take it for down after
 * down-after-milliseconds and begin a failover of their own (measured: after 9 s with 5 s). A refused write is never
 * acknowledged, and the refusal ends with no time.
 */
export const closeStep = (component: Group, { from }: Intent): DriverStep<Nothing> =>
  planStep(close, from, {
    ...SHORT,
    phase: 'FENCE',
    title: `Has every Redis of ${groupNamed(component, from)} refuse writes (min-replicas-to-write ${CLOSED})`,
    fence: 'database',
    parameters: {},
  })

/**
 * A former active site that still answers. Nothing where every Redis of it answers, and none is a master: one that is
 * silent may be the master. Pure.
 */
export function fenceSteps(component: Group, states: StatesPerSite<GroupState>, { from }: Intent): DriverStep[] {
  const seen = states[from]
  return seen?.kind === 'answering' && (mastersIn(seen.state).length > 0 || silentIn(seen.state.redis).length > 0)
    ? [
        planStep(fence, from, {
          ...SHORT,
          phase: 'FENCE',
          title: `Has every Redis of ${groupNamed(component, from)} refuse writes (min-replicas-to-write ${CLOSED})`,
          fence: 'database',
          parameters: {},
        }),
      ]
    : []
}

/** A master that came back beside the active one: before it follows, it takes nothing more. Pure. */
export function shutSteps(component: Group, states: StatesPerSite<GroupState>, { to }: Intent): DriverStep[] {
  const seen = states[to]
  return seen?.kind === 'answering' && mastersIn(seen.state).length > 0
    ? [
        planStep(shut, to, {
          ...SHORT,
          phase: 'PREPARE',
          title: `Has every Redis of ${groupNamed(component, to)} refuse writes: it is a master beside the active one`,
          parameters: {},
        }),
      ]
    : []
}

const SHORT = { deadline: minutes(1), expected: seconds(0.5) }

// biome-ignore lint/complexity/noBannedTypes: parameters that have no field
type Nothing = {}
export interface ClosedSite extends Proof {
  /** null: no Redis of the site was a master. */
  readonly master: string | null
  /** Where its history ends: bytes. */
  readonly offset: number | null
  readonly history: string | null
  /** ISO 8601. */
  readonly closedAt: string
}
type Run = GroupRun<Nothing>

interface Closing {
  /** Whether the configuration file says it too: then a server that is restarted comes back closed. */
  readonly inFile: boolean
  /** Whether a Redis that does not answer may be the master that has to be closed. */
  readonly waitsForSilent: boolean
}

const behaviourOf = ({ inFile, waitsForSilent }: Closing): Plain<RedisSentinelSpec, Nothing, ClosedSite, unknown> => ({
  is: 'plain',
  async done(run: Run): Promise<Seen<ClosedSite, never>> {
    const redis = await redisAtSite(run, siteOf(run))
    const answering = answeringIn({ redis })
    const unable = answering.filter(([, { minReplicasMaxLag }]) => minReplicasMaxLag === 0).map(([name]) => name)
    if (unable.length > 0)
      return {
        is: 'failed',
        code: codes.code['sentinel-cannot-close'],
        why: `${unable.join(', ')} has min-replicas-max-lag 0, and accepts writes whatever min-replicas-to-write says`,
        next: 'CONFIG SET min-replicas-max-lag 10 and CONFIG REWRITE there, and plan again.',
      }
    const open = answering.filter(([, server]) => !isClosed(server))
    if (open.length > 0)
      return { is: 'pending', waitingFor: `${open.map(([name]) => name).join(', ')} to refuse writes` }
    const [first, ...more] = mastersIn({ redis })
    if (answering.length === 0) return { is: 'unknown', why: `no Redis of ${siteOf(run)} answers` }
    if (more.length > 0) return { is: 'pending', waitingFor: `Sentinel to leave one master on ${siteOf(run)}` }
    // Until then its history and its offset are not those of its data.
    if (first?.[1].loading === true) return { is: 'pending', waitingFor: `${first[0]} to have loaded its data` }
    // Sentinel may be about to promote one of the others.
    const silent = silentIn(redis)
    if (waitsForSilent && first === undefined && silent.length > 0)
      return {
        is: 'pending',
        waitingFor: `${silent.join(', ')} to answer: no other Redis of ${siteOf(run)} is the master`,
      }
    return {
      is: 'done',
      proof: {
        master: first?.[0] ?? null,
        offset: first?.[1].offset ?? null,
        history: first?.[1].history ?? null,
        closedAt: run.context.clock.now().toISOString(),
      },
    }
  },
  apply: (run: Run) => closeAll(run, inFile),
  // A Redis that did not answer, or was restarted, amid the step.
  nudge: { every: seconds(2), send: (run: Run) => closeAll(run, inFile) },
  back: {
    async undo(run: Run) {
      for (const [name, server] of answeringIn({ redis: await redisAtSite(run, siteOf(run)) }))
        if (isClosed(server)) await setMinReplicas(run, name, minReplicasOf(run.component, siteOf(run), name), inFile)
    },
    async undone(run: Run) {
      const redis = await redisAtSite(run, siteOf(run))
      const answering = answeringIn({ redis })
      if (answering.length === 0) return { is: 'unknown', why: `no Redis of ${siteOf(run)} answers` }
      const closed = answering.filter(([, server]) => isClosed(server)).map(([name]) => name)
      if (closed.length > 0) return { is: 'pending', waitingFor: `${closed.join(', ')} to accept writes again` }
      // It may be the master, and closed still.
      const silent = silentIn(redis)
      return mastersIn({ redis }).length === 0 && silent.length > 0
        ? {
            is: 'pending',
            waitingFor: `${silent.join(', ')} to answer: no other Redis of ${siteOf(run)} is the master`,
          }
        : { is: 'done', proof: {} }
    },
  },
})
const SETTING = 'min-replicas-to-write'

const silentIn = (redis: GroupState['redis']): string[] =>
  Object.entries(redis).flatMap(([name, { is }]) => (is === 'silent' ? [name] : []))

async function closeAll(run: Run, inFile: boolean): Promise<void> {
  for (const [name, server] of answeringIn({ redis: await redisAtSite(run, siteOf(run)) }))
    if (!isClosed(server)) await setMinReplicas(run, name, CLOSED, inFile)
}
async function setMinReplicas(run: Run, name: string, value: number, inFile: boolean): Promise<void> {
  await setSetting(run, siteOf(run), name, SETTING, value)
  if (inFile) await writeFile(run, siteOf(run), name)
}

export const close: Action<RedisSentinelSpec, Nothing, ClosedSite> = {
  name: 'close',
  parameters: parametersOf<Nothing>({}),
  // Its file still says the priorities of before `aim`: it is left alone.
  behaviour: behaviourOf({ inFile: false, waitsForSilent: true }),
  byHand: {
    say: (component, step) => ({
      commands: atEachRedis(component, step.site, ['CONFIG', 'SET', SETTING, String(CLOSED)]),
      expect: 'SET on the master answers NOREPLICAS.',
      never:
        'Use CLIENT PAUSE in its place: Sentinel takes a paused master for down, and begins a failover of its own.',
    }),
  },
}
/** The same on a lost site that still answers, also after a restart. */
export const fence: Action<RedisSentinelSpec, Nothing, ClosedSite> = {
  ...close,
  name: 'fence',
  behaviour: behaviourOf({ inFile: true, waitsForSilent: true }),
}
/** The same on a site that came back: taken back, it would accept writes beside the active one. */
export const shut: Action<RedisSentinelSpec, Nothing, ClosedSite> = {
  ...close,
  name: 'shut',
  behaviour: {
    ...behaviourOf({ inFile: true, waitsForSilent: false }),
    back: {
      is: 'leaves-nothing',
      because: 'a site that is not active must accept no write, whether or not it follows',
    },
  },
}
