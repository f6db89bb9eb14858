import type { Phase } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { answeringIn, masterIn } from '../observe.ts'
import {
  type AnsweringSentinel,
  differencesOf,
  type GroupRun,
  leadTo,
  lookAtSentinels,
  redisAtSite,
  setAsDeclared,
  setSetting,
  siteOf,
} from '../run.ts'
import { atEachSentinel, atServer } from '../runbook.ts'
import { type Group, groupNamed, type RedisSentinelSpec, redisNamesOf, redisOf } from '../spec.ts'
import { isMoving, type RedisServer } from '../views.ts'
import { hostAndPort } from '../wire.ts'
import { askForFailover, sentinelFor } from './ready-sentinel.ts'

/**
 * After a promotion without a Sentinel, Sentinels still name the old master: the first one that comes back while that
 * runs makes the new master its replica. Each is led by a failover to the Redis that is the master already, and not by
 * SENTINEL REMOVE and MONITOR: those begin at epoch 0, so that each Sentinel that comes back later leads the others
 * back to the old master, and they lose what cannot be read, such as the password of the Sentinel.
 */
export const uniteStep = (
  component: Group,
  site: SiteName,
  phase: Phase,
  { sites, by, needs = [] }: OfUnion & { readonly needs?: readonly StepReference<Proof>[] },
): DriverStep<OfUnion> =>
  planStep(unite, site, {
    phase,
    needs,
    title: `Has every Redis of ${groupNamed(component, site)} follow its master, and each Sentinel that answers name that master`,
    deadline: minutes(3),
    expected: seconds(5),
    parameters: { sites, by },
  })

type OfUnion = {
  /** Sites whose Redis servers are asked for their priorities. */
  readonly sites: readonly string[]
  /** Sites whose Sentinels are led. */
  readonly by: readonly string[]
}
interface United extends Proof {
  readonly master: string
  readonly sentinels: readonly string[]
  /** They name another master when they come back. */
  readonly silent: readonly string[]
}
type Run = GroupRun<OfUnion>

export const unite: Action<RedisSentinelSpec, OfUnion, United> = {
  name: 'unite',
  parameters: parametersOf<OfUnion>({ sites: listOf(TEXT), by: listOf(TEXT) }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<United, never>> {
      const [redis, { answering, silent }] = await Promise.all([
        redisAtSite(run, siteOf(run)),
        lookAtSentinels(run, run.step.parameters.by),
      ])
      const [master] = masterIn({ redis }) ?? []
      if (master === undefined) return { is: 'pending', waitingFor: `one master on ${siteOf(run)}` }
      const waiting = [
        ...answeringIn({ redis }).flatMap(([name, server]) =>
          name === master || (isLed(run, server, master) && server.linked) ? [] : [`${name} to follow ${master}`],
        ),
        ...answering
          .filter((one) => isAstray(run, one, master) || isMoving(one.sentinel))
          .map(({ name }) => `${name} to name ${master}`),
        ...(answering.length === 0 ? [] : await differences(run)),
      ]
      return waiting.length > 0
        ? { is: 'pending', waitingFor: waiting.join(', ') }
        : {
            is: 'done',
            proof: { master, sentinels: answering.map(({ name }) => name), silent: silent.map(({ name }) => name) },
          }
    },
    apply: (run: Run) => leadAll(run),
    // A Sentinel learns priorities and ends its failover in its own time.
    nudge: { every: seconds(5), send: (run: Run) => leadAll(run) },
    back: {
      is: 'leaves-nothing',
      because: 'it is planned after a promotion, and in a rejoin: its master is the one of the active site',
    },
  },
  byHand: {
    say(component, step) {
      const [master = '', ...others] = redisNamesOf(component, step.site ?? '')
      const [host, port] = hostAndPort(redisOf(component, step.site ?? '', master))
      const ordered = (name: string, words: readonly string[]): string =>
        atServer(component, { kind: 'redis', site: step.site ?? '', name }, words)
      return {
        commands: [
          ...others.flatMap((name) => [
            ordered(name, ['REPLICAOF', host, port]),
            ordered(name, ['CONFIG', 'SET', 'replica-priority', '0']),
            ordered(name, ['CONFIG', 'REWRITE']),
          ]),
          ...step.parameters.by.flatMap((site) => [
            ...atEachSentinel(component, site, ['SENTINEL', 'FAILOVER', component.spec.group]).slice(0, 1),
            ...atEachSentinel(component, site, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', component.spec.group]),
          ]),
        ],
        expect: `Each Sentinel names the master of ${step.site}. Put that in place of ${master} where it is another one. Afterwards set the declared priorities, and CONFIG REWRITE.`,
        never:
          'Ask for the failover while another replica than the master has a replica-priority above 0: Sentinel would promote that one.',
      }
    },
  },
}

const isAstray = (run: Run, { sentinel }: AnsweringSentinel, master: string): boolean =>
  sentinel.master !== redisOf(run.component, siteOf(run), master).address

const isLed = (run: Run, { follows }: RedisServer, master: string): boolean =>
  follows === redisOf(run.component, siteOf(run), master).address

/** Every Redis of the asked sites that answers. */
async function serversOf(run: Run) {
  const all = await Promise.all(
    run.step.parameters.sites.map(async (site) =>
      answeringIn({ redis: await redisAtSite(run, site) }).map(([name, server]) => ({ site, name, server })),
    ),
  )
  return all.flat()
}

async function differences(run: Run): Promise<string[]> {
  return (await serversOf(run)).flatMap(({ site, name, server }) =>
    differencesOf(run.component, site, name, server, siteOf(run)).map(([setting]) => `${setting} of ${name}`),
  )
}

async function leadAll(run: Run): Promise<void> {
  const site = siteOf(run)
  const servers = await serversOf(run)
  const own = Object.fromEntries(
    servers.filter((one) => one.site === site).map(({ name, server }) => [name, server] as const),
  )
  const [master] = masterIn({ redis: own }) ?? []
  if (master === undefined)
    throw codes.error('sentinel-no-master', `${site} has no master, or several ones`, {
      retry: 'transient',
      where: site,
      next: `Look at Redis on ${site}.`,
    })
  for (const [name, server] of Object.entries(own))
    if (name !== master && !isLed(run, server, master)) await leadTo(run, site, name, { site, name: master })
  const { answering } = await lookAtSentinels(run, run.step.parameters.by)
  if (answering.some((one) => isAstray(run, one, master))) return confirm(run, master, servers)
  // Without a Sentinel the others keep 0: the first one that comes back can promote none but the master.
  if (answering.length > 0)
    for (const { site: of, name, server } of servers) await setAsDeclared(run, of, name, server, site)
}

/** Asks one Sentinel for a failover to the Redis that is the master: the others adopt its newer epoch. */
async function confirm(run: Run, master: string, servers: Awaited<ReturnType<typeof serversOf>>): Promise<void> {
  for (const { site, name, server } of servers)
    if (name !== master && server.priority !== 0) await setSetting(run, site, name, 'replica-priority', 0)
  const sentinel = await sentinelFor(run, run.step.parameters.by, siteOf(run), master)
  if (sentinel !== null) await askForFailover(run, sentinel)
}
