import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type ForkRecord, recordFork } from '../../../systems/postgres/fork-records.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { DatabaseRun } from '../run.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { forkOf, forksOf } from './forks.ts'
import { type Forked, promoteWithoutToken } from './promote-without-token.ts'
import type { Upstream } from './upstream.ts'

/** Written down outside both sites: restore tests and deploys ask for it. */
export function markForkStep(component: Database, intent: Intent, upstream: Upstream | null): DriverStep<OfFork> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  const promotion = stepOf(component, promoteWithoutToken, intent.to)
  return planStep(markFork, null, {
    about: intent.from,
    phase: 'PROTECT',
    needs: [promotion],
    title: `Writes into the witness that the history of ${from} ended: its newest state must never be restored`,
    deadline: minutes(2),
    expected: seconds(0.2),
    parameters: {
      cluster: from,
      lostSite: intent.from,
      successor: to,
      serverName: upstream?.serverName ?? '',
      promotion: promotion.id,
    },
  })
}

type OfFork = {
  /** metadata.name of the lost Cluster. */
  readonly cluster: string
  readonly lostSite: string
  /** metadata.name of the Cluster that is promoted. */
  readonly successor: string
  /** The incarnation that was cut off; empty where it is not known. */
  readonly serverName: string
  /** Id of the promotion. */
  readonly promotion: string
}
interface Marked extends Proof {
  readonly record: ForkRecord
}

export const markFork: Action<CloudNativePgSpec, OfFork, Marked> = {
  name: 'mark-fork',
  parameters: parametersOf<OfFork>({
    cluster: TEXT,
    lostSite: TEXT,
    successor: TEXT,
    serverName: TEXT,
    promotion: TEXT,
  }),
  behaviour: {
    is: 'plain',
    async done(run: DatabaseRun<OfFork>) {
      const record = await forkOf(run.component, run.step.parameters.serverName, run.context)
      return record === null || record.at < run.begunAt
        ? { is: 'pending', waitingFor: 'the record of the fork' }
        : { is: 'done', proof: { record } }
    },
    apply: (run: DatabaseRun<OfFork>) => recordFork(forksOf(run.component, run.context), recordOf(run)),
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { serverName, cluster, lostSite, successor } = step.parameters
      const record: ForkRecord = {
        schemaVersion: 1,
        serverName,
        cluster,
        site: lostSite,
        forkedAt: '',
        forkedFrom: 0,
        successor,
        at: '$AT',
      }
      return {
        commands: [
          'AT=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)',
          `cat > fork.json <<END\n${JSON.stringify(record)}\nEND`,
          around.witness.create(`records/forks/${component.name}/${serverName}/$AT.json`, 'fork.json'),
        ],
        expect:
          'The record is in the witness: restore tests and deploys refuse the newest state of the lost incarnation.',
      }
    },
  },
}

function recordOf(run: DatabaseRun<OfFork>): ForkRecord {
  const { serverName, cluster, lostSite, successor, promotion } = run.step.parameters
  const promoted: StepReference<Forked> = { id: promotion }
  const { forkedAt = '', forkedFrom = 0, systemId = '' } = run.proofOf(promoted) ?? {}
  return {
    schemaVersion: 1,
    serverName,
    cluster,
    site: lostSite,
    forkedAt,
    forkedFrom,
    successor,
    at: run.begunAt,
    ...(systemId === '' ? {} : { systemId }),
  }
}
