import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { answeringIn } from '../observe.ts'
import { type GroupRun, redisAtSite, sentinelsOfRun, setSetting, siteOf } from '../run.ts'
import { atServer } from '../runbook.ts'
import { type Group, priorityIn, type RedisSentinelSpec, redisOf } from '../spec.ts'
import { FIRST, wouldChoose } from './ready-sentinel.ts'

/**
 * `SENTINEL FAILOVER` takes no target: Sentinel chooses by replica-priority, of which it knows what INFO said up to
 * 10 s ago. `sites`: those whose servers are asked, without a lost one.
 */
export const aimStep = (
  component: Group,
  intent: Intent,
  chosen: string,
  { sites, by }: Pick<Aimed, 'sites' | 'by'>,
): DriverStep<Aimed> =>
  planStep(aim, intent.to, {
    phase: 'PREPARE',
    title: `Gives ${chosen} of ${intent.to} the only replica-priority that Sentinel may choose in ${component.spec.group}${by.length === 0 ? '' : `, and waits until a Sentinel of ${by.join(' or ')} knows it`}`,
    deadline: minutes(2),
    expected: by.length === 0 ? seconds(0.5) : seconds(10),
    parameters: { chosen, sites, before: intent.from, by },
  })

export type Aimed = {
  /** The Redis that is promoted. */
  readonly chosen: string
  readonly sites: readonly string[]
  /** The site that is active before the move. */
  readonly before: string
  /** Sites of which one Sentinel must know it. Empty: none answers, and those that come back find it so. */
  readonly by: readonly string[]
}
interface Aim extends Proof {
  /** null: none was waited for. */
  readonly sentinel: string | null
}
type Run = GroupRun<Aimed>

export const aim: Action<RedisSentinelSpec, Aimed, Aim> = {
  name: 'aim',
  parameters: parametersOf<Aimed>({ chosen: TEXT, sites: listOf(TEXT), before: TEXT, by: listOf(TEXT) }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Aim, never>> {
      const { chosen, by } = run.step.parameters
      const site = siteOf(run)
      const servers = await serversOf(run)
      if (!servers.some(({ name }) => name === chosen)) return { is: 'unknown', why: `${chosen} does not answer` }
      const wrong = servers.filter(({ wanted, priority }) => wanted !== priority)
      if (wrong.length > 0)
        return { is: 'pending', waitingFor: `the priority of ${wrong.map(({ name }) => name).join(', ')}` }
      if (by.length === 0) return { is: 'done', proof: { sentinel: null } }
      const sentinels = await sentinelsOfRun(run, by)
      const { address } = redisOf(run.component, site, chosen)
      const ready = sentinels.find(
        ({ sentinel }) => sentinel.master === address || wouldChoose(run.component, site, chosen, sentinel),
      )
      if (ready !== undefined) return { is: 'done', proof: { sentinel: ready.name } }
      const names = sentinels.map(({ name }) => name).join(' or ')
      return { is: 'pending', waitingFor: `${names} to learn the priority of ${chosen}: it asks every 10 s` }
    },
    apply: (run: Run) => setPriorities(run),
    // A Redis that did not answer, or was restarted, amid the step.
    nudge: { every: seconds(5), send: (run: Run) => setPriorities(run) },
    back: {
      async undo(run: Run) {
        for (const { site, name, declared, priority } of await serversOf(run))
          if (declared !== priority) await setSetting(run, site, name, PRIORITY, declared)
      },
      async undone(run: Run) {
        const wrong = (await serversOf(run)).filter(({ declared, priority }) => declared !== priority)
        return wrong.length === 0
          ? { is: 'done', proof: {} }
          : { is: 'pending', waitingFor: `the priority of ${wrong.map(({ name }) => name).join(', ')}` }
      },
    },
  },
  byHand: {
    say: (component, step) => ({
      commands: step.parameters.sites.flatMap((site) =>
        Object.keys(component.spec.sites[site]?.redis ?? {}).map((name) =>
          atServer(component, { kind: 'redis', site, name }, [
            'CONFIG',
            'SET',
            PRIORITY,
            String(name === step.parameters.chosen ? FIRST : 0),
          ]),
        ),
      ),
      expect: `After 10 s SENTINEL REPLICAS ${component.spec.group} shows slave-priority ${FIRST} for ${step.parameters.chosen} alone, and 0 for all others.`,
    }),
  },
}

const PRIORITY = 'replica-priority'

async function setPriorities(run: Run): Promise<void> {
  for (const { site, name, wanted, priority } of await serversOf(run))
    if (wanted !== priority) await setSetting(run, site, name, PRIORITY, wanted)
}

/** Every Redis that answers, with the priority that it should have in the move and before it. */
async function serversOf(run: Run) {
  const { chosen, sites, before } = run.step.parameters
  const all = await Promise.all(
    sites.map(async (site) =>
      answeringIn({ redis: await redisAtSite(run, site) }).map(([name, { priority }]) => ({
        site,
        name,
        priority,
        wanted: name === chosen ? FIRST : 0,
        declared: priorityIn(run.component, site, name, before),
      })),
    ),
  )
  return all.flat()
}
