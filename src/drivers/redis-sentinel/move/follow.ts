import type { Intent, Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { answeringIn, mastersIn } from '../observe.ts'
import { differencesOf, type GroupRun, leadTo, redisAtSite, setAsDeclared, siteOf } from '../run.ts'
import { atEachRedis } from '../runbook.ts'
import { type Group, groupNamed, type RedisSentinelSpec, redisAt, redisOf } from '../spec.ts'
import type { RedisServer } from '../views.ts'
import { hostAndPort } from '../wire.ts'

/** Every Redis of a passive site is a replica of the active one, and has the settings of a passive site. */
export const followStep = (
  component: Group,
  follower: SiteName,
  followed: SiteName,
  phase: Phase,
): DriverStep<OfFollowing> =>
  planStep(follow, follower, {
    phase,
    title: `Has every Redis of ${groupNamed(component, follower)} follow ${followed}, with the priorities of a passive site, and waits until it is connected`,
    deadline: minutes(5),
    expected: seconds(3),
    parameters: { followed },
  })

/** A passive site that is neither end of a move. Sentinel leads it; what it does not reach, this step does. Pure. */
export const followerSteps = (component: Group, follower: SiteName, { mode, to }: Intent): DriverStep[] =>
  component.spec.sites[follower] === undefined || mode === 'rejoin' || mode === 'reopen'
    ? []
    : [followStep(component, follower, to, 'PROTECT')]

export type OfFollowing = {
  /** The site that is followed. */
  readonly followed: string
}
interface Following extends Proof {
  readonly replicas: readonly string[]
  /** Redis servers that do not answer: Sentinel leads them when they come back. */
  readonly silent: readonly string[]
}
type Run = GroupRun<OfFollowing>

export const follow: Action<RedisSentinelSpec, OfFollowing, Following> = {
  name: 'follow',
  parameters: parametersOf<OfFollowing>({ followed: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Following, never>> {
      const { followed } = run.step.parameters
      const site = siteOf(run)
      const redis = await redisAtSite(run, site)
      const answering = answeringIn({ redis })
      if (answering.length === 0) return { is: 'unknown', why: `no Redis of ${site} answers` }
      const waiting = answering.flatMap(([name, server]) => {
        if (!isLed(run.component, site, server, followed)) return [`${name} to follow ${followed}`]
        if (!server.linked) return [`${name} to be ${server.filling ? 'filled' : 'connected'}`]
        return differencesOf(run.component, site, name, server, followed).map(([setting]) => `${setting} of ${name}`)
      })
      if (waiting.length > 0) return { is: 'pending', waitingFor: waiting.join(', ') }
      const silent = Object.entries(redis).flatMap(([name, { is }]) => (is === 'silent' ? [name] : []))
      return { is: 'done', proof: { replicas: answering.map(([name]) => name), silent } }
    },
    apply: (run: Run) => leadAll(run),
    // A Redis that came back amid the step.
    nudge: { every: seconds(10), send: (run: Run) => leadAll(run) },
    back: {
      is: 'leaves-nothing',
      because:
        'it is planned after a promotion, and in a rejoin, which leaves replicas of the active site as they should be',
    },
  },
  byHand: {
    say(component, step) {
      const { followed } = step.parameters
      const [name = ''] = Object.keys(component.spec.sites[followed]?.redis ?? {})
      const [host, port] = hostAndPort(redisOf(component, followed, name))
      return {
        commands: [
          ...atEachRedis(component, step.site, ['REPLICAOF', host, port]),
          ...atEachRedis(component, step.site, ['CONFIG', 'SET', 'replica-priority', '0']),
          ...atEachRedis(component, step.site, ['CONFIG', 'SET', 'min-replicas-to-write', '0']),
          ...atEachRedis(component, step.site, ['CONFIG', 'REWRITE']),
          ...atEachRedis(component, step.site, ['INFO', 'replication']),
        ],
        expect: `master_link_status:up. Put the master of ${followed} in place of ${host} ${port} where it is another one, and the declared minReplicasToWrite in place of 0.`,
        never: 'Set min-replicas-to-write back before REPLICAOF: the old master would accept writes again.',
      }
    },
  },
}

/** Whether it is a replica of the followed site, or of a neighbour that is one. */
function isLed(component: Group, site: string, { role, follows }: RedisServer, followed: string): boolean {
  if (role === 'master' || follows === null) return false
  const master = redisAt(component, follows)
  return master !== null && (master.site === followed || master.site === site)
}

/** First led, and only then opened: the other way round an old master would accept writes for a moment. */
async function leadAll(run: Run): Promise<void> {
  const { followed } = run.step.parameters
  const site = siteOf(run)
  const [master, ...more] = mastersIn({ redis: await redisAtSite(run, followed) })
  if (master === undefined || more.length > 0)
    throw codes.error(
      'sentinel-no-master',
      `${followed} has ${more.length > 0 ? 'several masters' : 'no master'} to follow`,
      {
        retry: 'transient',
        where: followed,
        next: `Look at the Sentinels of ${followed}.`,
      },
    )
  for (const [name, server] of answeringIn({ redis: await redisAtSite(run, site) })) {
    if (!isLed(run.component, site, server, followed))
      await leadTo(run, site, name, { site: followed, name: master[0] })
    await setAsDeclared(run, site, name, server, followed)
  }
}
