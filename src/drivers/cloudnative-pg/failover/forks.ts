import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { type ForkRecord, type ForkRecords, newestFork, recordFork } from '../../../systems/postgres/fork-records.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import type { Run } from '../where.ts'
import type { Upstream } from './upstream.ts'

/** The fork records of this component. */
export const forksOf = ({ name }: Database, { records }: Pick<DriverContext, 'records'>): ForkRecords => ({
  component: name,
  records,
})

/** The newest record of an incarnation that was cut off; null while it lives. Throws `witness-damaged`. */
export const forkOf = (
  component: Database,
  serverName: string,
  context: Pick<DriverContext, 'records'>,
): Promise<ForkRecord | null> => newestFork(forksOf(component, context), serverName)

/** Written down outside both sites: restore tests and deploys ask for it. */
export function markForkStep(component: Database, intent: Intent, upstream: Upstream | null): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  const step = plannedStep(component, 'mark-fork', intent.from, {
    phase: 'PROTECT',
    needs: [stepId(component, 'promote-without-token', intent.to)],
    title: `Writes into the witness that the history of ${from} ended: its newest state must never be restored`,
    deadline: minutes(2),
    expected: seconds(0.2),
    parameters: {
      cluster: from,
      lostSite: intent.from,
      successor: to,
      serverName: upstream?.serverName ?? '',
      promotion: stepId(component, 'promote-without-token', intent.to),
    },
  })
  return { ...step, site: null }
}

export const markFork: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const record = await forkOf(run.component, parameter(run.step, 'serverName'), run.context)
    return record === null || record.at < run.begunAt
      ? { is: 'pending', waitingFor: 'the record of the fork' }
      : { is: 'done', proof: { record: record as unknown as JsonObject } }
  },
  apply: (run) => recordFork(forksOf(run.component, run.context), recordOf(run)),
}

function recordOf(run: Run): ForkRecord {
  const promotion = run.proofOf(parameter(run.step, 'promotion'))
  const systemId = promotion?.systemId
  return {
    schemaVersion: 1,
    serverName: parameter(run.step, 'serverName'),
    cluster: parameter(run.step, 'cluster'),
    site: parameter(run.step, 'lostSite'),
    forkedAt: typeof promotion?.forkedAt === 'string' ? promotion.forkedAt : '',
    forkedFrom: Number(promotion?.forkedFrom ?? 0),
    successor: parameter(run.step, 'successor'),
    at: run.begunAt,
    ...(typeof systemId === 'string' && systemId !== '' ? { systemId } : {}),
  }
}
