import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { everyHost, hostNamesOf } from '../failover/fence.ts'
import { hostsOf } from '../host.ts'
import { type DatabaseRun, isDirectedTo, readStoreOf, siteOf } from '../run.ts'
import { clusterNamed, controlOf, type Database, type PatroniSpec, unitOf } from '../spec.ts'

/** Patroni starts on every host, now and at each boot, on a configuration that says which site it follows. */
export const startStep = (
  component: Database,
  site: SiteName,
  followed: string,
  needs: readonly StepReference<Proof>[],
): DriverStep<OfStart> =>
  planStep(start, site, {
    phase: 'START',
    needs,
    title: `Starts ${unitOf(component)} on every host of ${clusterNamed(component, site)}, which follows ${followed}`,
    deadline: minutes(2),
    expected: seconds(2),
    parameters: { followed },
  })

type OfStart = {
  /** The site that it follows. */
  readonly followed: string
}
interface Started extends Proof {
  readonly started: readonly string[]
}
type Run = DatabaseRun<OfStart>

export const start: Action<PatroniSpec, OfStart, Started> = {
  name: 'start',
  parameters: parametersOf<OfStart>({ followed: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Started, never>> {
      const hosts = hostsOf(run.component, siteOf(run), run.context, run.signal)
      const stopped = (
        await Promise.all([...hosts].map(async ([name, host]) => ((await host.runs()).patroni ? [] : [name])))
      ).flat()
      return stopped.length === 0
        ? { is: 'done', proof: { started: [...hosts.keys()] } }
        : { is: 'pending', waitingFor: `Patroni to run on ${stopped.join(', ')}` }
    },
    /** Never on a configuration that would make the site a primary. */
    async apply(run: Run) {
      const { followed } = run.step.parameters
      const view = await readStoreOf(run, siteOf(run))
      if (!isDirectedTo(run.component, siteOf(run), view, followed))
        throw codes.error(
          'patroni-store-changed',
          `the store of ${siteOf(run)} does not say that it follows ${followed}`,
          {
            retry: 'never',
            where: siteOf(run),
            next: 'Find out who changed it, and plan the rejoin again.',
          },
        )
      await everyHost(run, 'start')
    },
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: hostNamesOf(component, step.site).map(
        (host) => `ssh ${host} 'sudo ${controlOf(component)} enable --now ${unitOf(component)}'`,
      ),
      expect: 'Every member answers, and none has xlog.location.',
    }),
  },
}
