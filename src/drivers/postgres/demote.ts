import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { promoteServer } from './promote-server.ts'
import { type Begun, type DatabaseRun, look, perform, siteNamed, siteOf } from './run.ts'
import { byHandDemote } from './runbook.ts'
import { type Database, type PostgresSpec, serverName, withinOf } from './spec.ts'

export type OfDemotion = {
  /** `host:port`. */
  readonly server: string
  /** Empty: it was silent when the plan was made. */
  readonly systemId: string
  /** The site that takes over. */
  readonly peer: string
}
/** A primary that takes no write any more, and where its WAL ends. */
export interface Ended extends Proof {
  readonly by: 'in recovery' | 'declared answer' | 'no session left'
  readonly systemId: string
  /** Null: it is not asked by SQL any more. */
  readonly timeline: number | null
  /** LSN; null: not known. */
  readonly endedAt: string | null
  /** ISO 8601. */
  readonly fencedAt: string
}

/** Fences by what PostgreSQL itself guarantees: a server in recovery accepts no write, whatever a session sets. */
export const demoteStep = (
  component: Database,
  { from, to }: Intent,
  seen: ServerState | null,
): DriverStep<OfDemotion> =>
  planStep(demote, from, {
    phase: 'FENCE',
    fence: 'database',
    title: `Demotes ${serverName(component, from)}, and proves by SQL that it is in recovery, where no write is accepted`,
    deadline: withinOf(component),
    expected: seconds(10),
    parameters: { server: serverName(component, from), systemId: seen?.systemId ?? '', peer: to },
  })

const demotion: Plain<PostgresSpec, OfDemotion, Ended, Begun> = {
  is: 'plain',
  async done(run) {
    const { server: name, systemId } = run.step.parameters
    const looked = await look(run, siteOf(run))
    // A call that was cut off may have left it stopped: another one starts it.
    if (looked.is === 'unknown') return { is: 'pending', waitingFor: `${name} to answer, in recovery: ${looked.why}` }
    const { server } = looked
    if (systemId !== '' && server.systemId !== systemId)
      return {
        is: 'failed',
        code: codes.code['another-database'],
        why: `${name} has the system id ${server.systemId}, the plan was made for ${systemId}`,
        next: 'Make a new plan.',
      }
    if (!server.inRecovery) return { is: 'pending', waitingFor: `${name} to be in recovery: it takes writes` }
    return { is: 'done', proof: endOfReplica(server, run.context.clock.now()) }
  },
  apply: callDemote,
  back: {
    async undo(run) {
      const site = siteOf(run)
      const looked = await look(run, site)
      if (looked.is === 'seen' && !looked.server.inRecovery) return
      // A call that was cut off may have left it stopped: the demotion starts it, as a replica.
      if (looked.is === 'unknown') await callDemote(run)
      await promoteServer(run, site, siteNamed(run, run.step.parameters.peer))
    },
    async undone(run) {
      const looked = await look(run, siteOf(run))
      if (looked.is === 'unknown') return { is: 'unknown', why: looked.why }
      const { inRecovery, timeline, currentLsn } = looked.server
      return inRecovery
        ? { is: 'pending', waitingFor: `${run.step.parameters.server} to take writes again` }
        : { is: 'done', proof: { timeline, currentLsn } as Proof }
    },
  },
}

async function callDemote(run: DatabaseRun<OfDemotion, Begun>): Promise<void> {
  const { demote: declared } = run.component.spec
  if (declared === undefined) throw new Error(`${run.step.id}: nothing is declared that demotes`)
  await perform(run, { name: 'demote', declared }, siteOf(run), { peer: siteNamed(run, run.step.parameters.peer) })
}

/**
 * Where the WAL of a former primary ends that is in recovery: it takes sessions only after it has replayed all that it
 * ever wrote.
 */
export const endOfReplica = ({ systemId, timeline, replayLsn }: ServerState, now: Date): Ended => ({
  by: 'in recovery',
  systemId,
  timeline,
  endedAt: replayLsn,
  fencedAt: now.toISOString(),
})

export const demote: Action<PostgresSpec, OfDemotion, Ended> = {
  name: 'demote',
  parameters: parametersOf<OfDemotion>({ server: TEXT, systemId: TEXT, peer: TEXT }),
  // A server that was silent is demoted, whatever it is named meanwhile.
  varies: { systemId: (planned, now) => planned === '' || now === '' },
  behaviour: demotion,
  byHand: byHandDemote,
}
