import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { storeByHand } from '../dcs/by-hand.ts'
import { type AsSeen, type DatabaseRun, direct, invalidateConfig, isDirectedTo, readStoreOf, siteOf } from '../run.ts'
import { clusterNamed, type Database, type PatroniSpec, standbyClusterOf } from '../spec.ts'
import { keepEvidence } from './keep-evidence.ts'

/**
 * The configuration is written before Patroni starts: a daemon that starts on the former one makes the site a primary
 * within seconds, whatever is written later.
 */
export const enrollStep = (component: Database, { from, to }: Intent): DriverStep<OfEnrollment> =>
  planStep(enroll, to, {
    phase: 'RESTORE_AUX',
    needs: [stepOf(component, keepEvidence, to)],
    title: `Writes into the store of ${to} that ${clusterNamed(component, to)} follows ${from}, before Patroni starts there`,
    deadline: minutes(1),
    expected: seconds(1),
    parameters: { followed: from },
  })

type OfEnrollment = { readonly followed: string }
interface Enrolled extends Proof {
  readonly revision: string
}
type Run = DatabaseRun<OfEnrollment>

export const enroll: Action<PatroniSpec, OfEnrollment, Enrolled> = {
  name: 'enroll',
  parameters: parametersOf<OfEnrollment>({ followed: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run): Promise<Seen<Enrolled, AsSeen>> {
      const { followed } = run.step.parameters
      const view = await readStoreOf(run, siteOf(run))
      return isDirectedTo(run.component, siteOf(run), view, followed)
        ? { is: 'done', proof: { revision: view.config.revision } }
        : {
            is: 'pending',
            waitingFor: `the store of ${siteOf(run)} to say that it follows ${followed}`,
            due: { revision: view.config.revision },
          }
    },
    apply: (run: Run, seen: AsSeen) => direct(run, siteOf(run), seen, run.step.parameters.followed),
    invalidate: (run: Run) => invalidateConfig(run, siteOf(run)),
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, step) => ({
      commands: [
        storeByHand(component).readConfig,
        `# add "standby_cluster": ${JSON.stringify(standbyClusterOf(component, step.site ?? '', step.parameters.followed))}`,
        storeByHand(component).writeConfig,
      ],
      expect: 'The first command shows the new value. Only the store runs at this time, and no Patroni.',
      never: 'Start Patroni before: it would make this site a primary.',
    }),
  },
}
