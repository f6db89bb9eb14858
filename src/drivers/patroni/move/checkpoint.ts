import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { hostOf } from '../host.ts'
import { among, reachInto, standbyLeaderIn, writerIn } from '../observe.ts'
import { wakeMember } from '../rest-api.ts'
import { type DatabaseRun, type Failed, membersAt, pausedIn, readStoreOf, siteOf, storeOfRun } from '../run.ts'
import { onPrimary } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec, siteOfMember } from '../spec.ts'
import { apartFrom } from './demote.ts'

/** Pages that can be written out before users notice anything are written out now: the shutdown has less to write. */
export function checkpointStep(component: Database, { from, to }: Intent): DriverStep<OfCheckpoint> {
  const [source, target] = [clusterNamed(component, from), clusterNamed(component, to)]
  return planStep(checkpoint, from, {
    phase: 'PREFLIGHT',
    title: `Writes out what the primary of ${source} holds in memory, waits until ${target} has replayed it and lacks little, and tries the logins of the move on both sites`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { target: to },
  })
}

type OfCheckpoint = {
  /** The site that is to be promoted. */
  readonly target: string
}
interface Prepared extends Proof {
  readonly checkpointAt: number
  readonly replayedAt: number
  readonly primary: string
  readonly timeline: number | null
}
interface Marked {
  readonly at: number
}
type Run = DatabaseRun<OfCheckpoint, Marked>

export const checkpoint: Action<PatroniSpec, OfCheckpoint, Prepared> = {
  name: 'checkpoint',
  parameters: parametersOf<OfCheckpoint>({ target: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Prepared, never>> {
      const mark = run.memory.value
      if (mark === undefined) return { is: 'pending', waitingFor: 'a checkpoint' }
      const { target } = run.step.parameters
      const [own, others] = await Promise.all([membersAt(run, siteOf(run)), membersAt(run, target)])
      const [writer, leader] = [writerIn({ members: own }), standbyLeaderIn(among(run.component, others))]
      if (writer === null) return { is: 'pending', waitingFor: `Patroni on ${siteOf(run)} to have elected a primary` }
      if (leader === null) return { is: 'pending', waitingFor: `a standby leader on ${target}` }
      // What a demotion waits for is found before it shuts users out.
      const apart = apartFrom(
        writer,
        own,
        Object.keys(own).filter((name) => own[name]?.is === 'answering'),
      )
      if (apart.length > 0) return { is: 'pending', waitingFor: `${apart.join(', ')} to follow ${writer.name}` }
      if (leader.replayedAt < mark.at || writer.writesAt - leader.replayedAt > CLOSE)
        return {
          is: 'pending',
          waitingFor: `${leader.name} to come closer: users would be shut out until it has replayed ${writer.writesAt - leader.replayedAt} bytes`,
        }
      const refused = (await proveLogins(run, siteOf(run))) ?? (await proveLogins(run, target))
      return (
        refused ?? {
          is: 'done',
          proof: {
            checkpointAt: mark.at,
            replayedAt: leader.replayedAt,
            primary: writer.name,
            timeline: writer.timeline,
          },
        }
      )
    },
    async apply(run: Run) {
      const site = siteOf(run)
      const writer = writerIn({ members: await membersAt(run, site) })
      if (writer === null)
        throw codes.error('patroni-unlocked', `no member of ${clusterNamed(run.component, site)} accepts writes`, {
          retry: 'transient',
          where: site,
          unanswered: true,
        })
      const host = hostOf(run.component, site, writer.name, run.context, run.signal)
      await host.sql('postgres', 'CHECKPOINT;', minutes(4))
      run.memory.set({ at: writer.writesAt })
    },
    back: { is: 'leaves-nothing', because: 'a checkpoint more is an event of every day' },
  },
  byHand: {
    say: (component, step) => ({
      commands: onPrimary(component, step.site, 'CHECKPOINT;'),
      expect: 'psql answers CHECKPOINT.',
    }),
  },
}

/** Bytes of WAL that the target may lack when the doors are closed: one segment of the usual length. */
const CLOSE = 16 * 1024 * 1024

/**
 * Whether store and REST API take the logins of this move, found while users are still served; null: they do. The store
 * judges the rights of a whole transaction before its comparison; this one compares with a revision that no key has.
 */
async function proveLogins(run: Run, site: string): Promise<Failed | Pending | null> {
  const view = await readStoreOf(run, site)
  const paused = pausedIn(view, site)
  if (paused !== null) return paused
  await storeOfRun(run, site).replaceConfig(view.config.value, '0')
  const { leader } = view
  if (leader === null) return { is: 'pending', waitingFor: `a member on ${site} to hold the lock` }
  // Of a cluster over all sites it is at one of them.
  const home = siteOfMember(run.component, leader) ?? site
  const asking = { reach: reachInto(home, run.context), signal: run.signal }
  const woken = await wakeMember(run.component, home, leader, run.context, asking)
  if (woken === null) return { is: 'pending', waitingFor: `the REST API of ${leader} to answer` }
  return woken === 'refused'
    ? {
        is: 'failed',
        code: codes.code['patroni-refused'],
        why: `the REST API of ${leader} on ${site} refuses a PATCH: a move would wait for the loop of Patroni at each of its steps`,
        next: 'Compare restApi.user and restApi.password in the stack file with restapi.authentication of Patroni, and its allowlist.',
      }
    : null
}
type Pending = Extract<Seen<Prepared, never>, { readonly is: 'pending' }>
