import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { answeringIn } from '../observe.ts'
import { differencesOf, type GroupRun, redisAtSite, sentinelsOfRun, setAsDeclared, siteOf } from '../run.ts'
import { atEachSentinel, atServer } from '../runbook.ts'
import { type Group, groupNamed, type RedisSentinelSpec, redisAt } from '../spec.ts'
import { isMoving } from '../views.ts'

/** From now on Sentinel decides inside the new active site, and in no other. */
export const settleStep = (component: Group, site: SiteName, by: readonly string[] = [site]): DriverStep<OfSettling> =>
  planStep(settle, site, {
    phase: 'PROTECT',
    title: `Gives every Redis of ${groupNamed(component, site)} the settings of the active site, and waits until Sentinel has ended its failover`,
    deadline: minutes(3),
    expected: seconds(3),
    parameters: { by },
  })

type OfSettling = {
  /** Sites of which one Sentinel must have ended its failover. */
  readonly by: readonly string[]
}
interface Settled extends Proof {
  readonly master: string
  readonly epoch: number
}
type Run = GroupRun<OfSettling>

export const settle: Action<RedisSentinelSpec, OfSettling, Settled> = {
  name: 'settle',
  parameters: parametersOf<OfSettling>({ by: listOf(TEXT) }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Settled, never>> {
      const site = siteOf(run)
      const waiting = answeringIn({ redis: await redisAtSite(run, site) }).flatMap(([name, server]) =>
        differencesOf(run.component, site, name, server, site).map(([setting]) => `${setting} of ${name}`),
      )
      if (waiting.length > 0) return { is: 'pending', waitingFor: waiting.join(', ') }
      const [{ name, sentinel }] = await sentinelsOfRun(run, run.step.parameters.by)
      const master = redisAt(run.component, sentinel.master)
      if (master?.site !== site || isMoving(sentinel))
        return { is: 'pending', waitingFor: `${name} to end its failover, and to name a master of ${site}` }
      return { is: 'done', proof: { master: master.name, epoch: sentinel.epoch } }
    },
    apply: (run: Run) => setAll(run),
    // A Redis that did not answer amid the step.
    nudge: { every: seconds(5), send: (run: Run) => setAll(run) },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: [
        ...(step.site === null
          ? []
          : Object.entries(component.spec.sites[step.site]?.redis ?? {}).flatMap(([name, { priority = 100 }]) =>
              [
                ['CONFIG', 'SET', 'replica-priority', String(priority)],
                ['CONFIG', 'REWRITE'],
              ].map((words) => atServer(component, { kind: 'redis', site: step.site ?? '', name }, words)),
            )),
        ...step.parameters.by.flatMap((site) =>
          atEachSentinel(component, site, ['SENTINEL', 'MASTER', component.spec.group]),
        ),
      ],
      expect: `The address of a Redis of ${step.site}, and no failover_in_progress in its flags.`,
    }),
  },
}

async function setAll(run: Run): Promise<void> {
  const site = siteOf(run)
  for (const [name, server] of answeringIn({ redis: await redisAtSite(run, site) }))
    await setAsDeclared(run, site, name, server, site)
}
