import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type GroupRun, redisOfRun, siteOf } from '../run.ts'
import { atServer } from '../runbook.ts'
import type { Group, RedisSentinelSpec } from '../spec.ts'
import { type ClosedSite, close } from './close.ts'

/** Nothing is promoted before it has received the last write that the old master acknowledged. */
export function catchUpStep(component: Group, { from, to }: Intent, chosen: string): DriverStep<OfCatchUp> {
  const closing = stepOf(component, close, from)
  return planStep(catchUp, to, {
    phase: 'FINAL_SYNC',
    needs: [closing],
    title: `Waits until ${chosen} of ${to} has received every write that ${component.spec.group} acknowledged on ${from}: one history, and at least its offset`,
    deadline: minutes(3),
    expected: seconds(0.5),
    parameters: { chosen, closed: closing.id },
  })
}

export type OfCatchUp = {
  readonly chosen: string
  /** Id of the step that closed the old site. */
  readonly closed: string
}
interface CaughtUp extends Proof {
  readonly offset: number
}
type Run = GroupRun<OfCatchUp>

export const catchUp: Action<RedisSentinelSpec, OfCatchUp, CaughtUp> = {
  name: 'catch-up',
  parameters: parametersOf<OfCatchUp>({ chosen: TEXT, closed: TEXT }),
  behaviour: { is: 'check', done: (run: Run) => hasCaughtUp(run) },
  byHand: {
    say: (component, step) => ({
      commands: [
        ...Object.entries(component.spec.sites).flatMap(([site, { redis }]) =>
          Object.keys(redis)
            .filter((name) => site !== step.site || name === step.parameters.chosen)
            .map((name) => atServer(component, { kind: 'redis', site, name }, ['INFO', 'replication'])),
        ),
      ],
      expect: `${step.parameters.chosen} shows master_link_status:up, the master_replid of the closed master, and a slave_repl_offset that is not below its master_repl_offset.`,
    }),
  },
}

/** By the offset of the closed master: what follows it are signs of life, and no writes. */
export async function hasCaughtUp(run: Run): Promise<Seen<CaughtUp, never>> {
  const { chosen, closed } = run.step.parameters
  const reference: StepReference<ClosedSite> = { id: closed }
  const last = run.proofOf(reference)
  const replica = await redisOfRun(run, siteOf(run), chosen)
  if (last?.master == null || last.offset === null)
    return {
      is: 'failed',
      code: codes.code['sentinel-moved-by-itself'],
      why: 'no Redis of the old site was a master when it was closed: Sentinel has promoted another one',
      next: 'Take the run back, and plan again.',
    }
  if (replica.role === 'master')
    return {
      is: 'failed',
      code: codes.code['sentinel-moved-by-itself'],
      why: `${chosen} is a master already: Sentinel has promoted it by itself`,
      next: 'Take the run back: Sentinel can be asked to fail over to the old site, or a failover makes this site the active one.',
    }
  if (replica.history !== last.history)
    return { is: 'pending', waitingFor: `${chosen} to have the history of ${last.master}: a full copy takes its time` }
  return replica.offset >= last.offset
    ? { is: 'done', proof: { offset: replica.offset } }
    : { is: 'pending', waitingFor: `${last.offset - replica.offset} bytes of ${last.master}` }
}
