import type { Finding, Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Seen } from '../../driver/behaviour.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { everyHost, hostNamesOf } from './failover/fence.ts'
import { type PatroniState, writerIn } from './observe.ts'
import { type DatabaseRun, followedBy, membersAt, readStoreOf, siteOf } from './run.ts'
import { clusterNamed, controlOf, type Database, type PatroniSpec, unitOf } from './spec.ts'

type OfReopening = { readonly unit: string }
interface Reopened extends Proof {
  readonly primary: string
  readonly timeline: number | null
}
type Run = DatabaseRun<OfReopening>

/** The fence of a guard, or of a run that was undone, is taken away: the site becomes the primary that it was. Pure. */
export const reopenSteps = (component: Database, { to }: Intent): DriverStep[] => [
  planStep(unfence, to, {
    // Before START, in which the components that need the database begin.
    phase: 'RESTORE_AUX',
    title: `Starts ${unitOf(component)} on every host of ${clusterNamed(component, to)}, now and at each boot, and waits until one member accepts writes`,
    deadline: minutes(5),
    expected: seconds(10),
    parameters: { unit: unitOf(component) },
  }),
]

export const unfence: Action<PatroniSpec, OfReopening, Reopened> = {
  name: 'unfence',
  parameters: parametersOf<OfReopening>({ unit: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Reopened, never>> {
      const cluster = clusterNamed(run.component, siteOf(run))
      const followed = followedBy(run, await readStoreOf(run, siteOf(run)))
      if (followed !== null)
        return {
          is: 'failed',
          code: codes.code['patroni-active-standby'],
          why: `${cluster} is configured to follow ${followed}: to start it makes no primary of it`,
          next: 'Find out who changed that, or finish the move that was begun.',
        }
      const members = await membersAt(run, siteOf(run))
      const writer = writerIn({ members })
      if (writer === null) return { is: 'pending', waitingFor: `a member of ${cluster} to accept writes` }
      // A host that was left out would keep its member stopped at the next boot, too.
      const silent = Object.entries(members).flatMap(([name, { is }]) => (is === 'silent' ? [name] : []))
      if (silent.length > 0 && !run.applied) return { is: 'pending', waitingFor: `Patroni on ${silent.join(', ')}` }
      return { is: 'done', proof: { primary: writer.name, timeline: writer.timeline } }
    },
    apply: (run: Run) => everyHost(run, 'start'),
    back: { is: 'irreversible' },
  },
  byHand: {
    say: (component, { site }) => ({
      commands: hostNamesOf(component, site).map(
        (host) => `ssh ${host} sudo ${controlOf(component)} enable --now ${unitOf(component)}`,
      ),
      expect: 'patronictl list names a Leader, and no Standby Leader.',
      never: 'Do this while another site may take writes.',
    }),
  },
}

/** What stands against opening the database of the active site. Pure. */
export function assessReopen(component: Database, states: StatesPerSite<PatroniState>, { to }: Intent): Finding[] {
  const seen = states[to]
  const cluster = clusterNamed(component, to)
  if (seen?.kind !== 'answering')
    return [
      codes.finding('patroni-silent', component, {
        severity: 'blocker',
        site: to,
        what: `${cluster} cannot be seen: ${seen?.why ?? 'it was not asked'}`,
        next: `Bring the hosts of ${to} and their store up first. Patroni may stay stopped.`,
        unanswered: true,
      }),
    ]
  const { store, follows } = seen.state
  if (store.is === 'silent')
    return [
      codes.finding('patroni-store-silent', component, {
        severity: 'blocker',
        site: to,
        what: `the store of ${cluster} does not answer: ${store.why}`,
        next: `Start the store of ${to}: without it no member becomes the primary.`,
        unanswered: true,
      }),
    ]
  if (follows === null) return []
  return [
    codes.finding('patroni-active-standby', component, {
      severity: 'blocker',
      site: to,
      what: `${cluster} is configured to follow ${follows}: to start it makes no primary of it`,
      next: 'Resume or abort the run that changed its role: standby status names it.',
    }),
  ]
}
