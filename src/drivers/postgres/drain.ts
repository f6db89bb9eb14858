import type { Intent } from '../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Check } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { type Milliseconds, minutes, seconds } from '../../values/duration.ts'
import type { Replayed } from './catch-up.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { look, siteOf } from './run.ts'
import { byHandDrain } from './runbook.ts'
import { type Database, type PostgresSpec, serverName } from './spec.ts'

export type OfDrainage = {
  readonly server: string
  /** Empty: it was silent when the plan was made. */
  readonly systemId: string
}

/** What the lost primary has sent is not lost: it is replayed, and its end is written down, before the promotion. */
export const drainStep = (component: Database, { to }: Intent, seen: ServerState | null): DriverStep<OfDrainage> =>
  planStep(drain, to, {
    phase: 'FINAL_SYNC',
    title: `Waits until ${serverName(component, to)} has replayed all that it has received`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { server: serverName(component, to), systemId: seen?.systemId ?? '' },
  })

interface Standing {
  readonly at: string
  /** Milliseconds since 1970. */
  readonly since: number
}
/**
 * A primary that dies amid a record leaves a replica with a part of it, which is never replayed. The promotion itself
 * replays what is left: this only bounds the wait.
 */
const STILL: Milliseconds = seconds(3)

const draining: Check<PostgresSpec, OfDrainage, Replayed, Standing> = {
  is: 'check',
  async done(run) {
    const { server: name, systemId: expected } = run.step.parameters
    const looked = await look(run, siteOf(run))
    if (looked.is === 'unknown') return { is: 'unknown', why: `${name} cannot be asked: ${looked.why}` }
    const { server } = looked
    const { systemId, timeline, replayLsn, receivedLsn, lastCommitAt } = server
    if (expected !== '' && systemId !== expected)
      return {
        is: 'failed',
        code: codes.code['another-database'],
        why: `${name} has the system id ${systemId}, the plan was made for ${expected}`,
        next: 'Make a new plan.',
      }
    if (!server.inRecovery)
      return {
        is: 'failed',
        code: codes.code['not-a-replica'],
        why: `${name} is a primary already`,
        next: 'Find out who promoted it.',
      }
    if (server.replayPaused)
      return {
        is: 'failed',
        code: codes.code['replay-paused'],
        why: `${name} does not replay: it is paused`,
        next: 'SELECT pg_wal_replay_resume();',
      }
    const [received, replayed] = [parseLsn(receivedLsn), parseLsn(replayLsn)]
    if (replayed === null) return { is: 'pending', waitingFor: `${name} to report a position` }
    const proof = { systemId, timeline, replayed: replayLsn ?? '', lastCommitAt }
    if (received === null || replayed >= received) return { is: 'done', proof }
    const now = run.context.clock.now().getTime()
    const at = replayLsn ?? ''
    const standing = run.memory.value?.at === at ? run.memory.value : { at, since: now }
    run.memory.set(standing)
    return now - standing.since >= STILL
      ? { is: 'done', proof }
      : { is: 'pending', waitingFor: `${name} to replay up to ${receivedLsn}: it is at ${replayLsn}` }
  },
}

export const drain: Action<PostgresSpec, OfDrainage, Replayed> = {
  name: 'drain',
  parameters: parametersOf<OfDrainage>({ server: TEXT, systemId: TEXT }),
  behaviour: draining,
  byHand: byHandDrain,
}
