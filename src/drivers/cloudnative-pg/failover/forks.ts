import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { documentKind } from '../../../witness/decode.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep, stepId } from '../steps.ts'
import type { Run } from '../where.ts'
import type { Upstream } from './upstream.ts'

/**
 * An incarnation whose history a failover cut off: its newest state holds rows that no user was ever served afterwards.
 */
export interface ForkRecord {
  readonly schemaVersion: 1
  readonly serverName: string
  readonly cluster: string
  readonly site: string
  /** Where the new history left the old one; empty when it is not known. */
  readonly forkedAt: string
  readonly forkedFrom: number
  readonly successor: string
  readonly at: string
  /**
   * Of PostgreSQL: a database that was made anew counts its timelines from 1 again. Absent in records from before it
   * was written down.
   */
  readonly systemId?: string
}

const text = { type: 'string', maxLength: 256 } as const
const forkDocument = documentKind<ForkRecord>(
  {
    type: 'object',
    required: ['schemaVersion', 'serverName', 'cluster', 'site', 'forkedAt', 'forkedFrom', 'successor', 'at'],
    properties: {
      schemaVersion: { const: 1 },
      serverName: text,
      cluster: text,
      site: text,
      forkedAt: text,
      forkedFrom: { type: 'integer', minimum: 0 },
      successor: text,
      at: { type: 'string', format: 'date-time' },
      systemId: text,
    },
  },
  'Restore its earlier version (the bucket keeps them): without it nobody knows whether this archive may be restored.',
)

/**
 * The newest record of an incarnation that was cut off; null while it is a living one. Throws `witness-damaged`: then
 * nobody can say.
 */
export async function forkOf(
  component: Database,
  serverName: string,
  context: DriverContext,
  holds: (fork: ForkRecord) => boolean = () => true,
): Promise<ForkRecord | null> {
  return (
    (await context.records.newest('forks', `${component.name}/${serverName}/`, forkDocument, holds))?.record ?? null
  )
}

/**
 * The newest record of all incarnations of this component for which it holds; null where there is none. A damaged one
 * is passed over.
 */
export async function forkOfAny(
  component: Database,
  holds: (fork: ForkRecord) => boolean,
  context: DriverContext,
): Promise<ForkRecord | null> {
  const decides = (): boolean => false
  return (await context.records.newest('forks', `${component.name}/`, forkDocument, holds, decides))?.record ?? null
}

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
  apply: async (run) => {
    const record = recordOf(run)
    await run.context.records.write(
      'forks',
      `${run.component.name}/${record.serverName}/${record.at}`,
      record as unknown as JsonObject,
    )
  },
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
