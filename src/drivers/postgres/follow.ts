import type { Intent, Phase } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../driver/action.ts'
import type { Plain, Seen } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import type { DeclaredCall } from '../../systems/declared-call/spec.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { promote } from './promote.ts'
import { relationTo } from './relation.ts'
import { type Begun, type DatabaseRun, look, perform, siteNamed, siteOf, whyNotWritable } from './run.ts'
import { byHandFollow, byHandRejoin } from './runbook.ts'
import { type Database, type PostgresSpec, serverName, withinOf } from './spec.ts'

export type OfFollower = {
  readonly server: string
  readonly primary: string
  /** The site of the primary. */
  readonly peer: string
}
export interface Following extends Proof {
  readonly timeline: number
  /** LSN: what the primary wrote during this step, and the replica has replayed. */
  readonly replayed: string
}
type Run = DatabaseRun<OfFollower, Begun>

const parametersFor = (component: Database, site: SiteName, peer: SiteName): OfFollower => ({
  server: serverName(component, site),
  primary: serverName(component, peer),
  peer,
})

/** The former primary, or a third site, streams from the new one. */
export const followStep = (component: Database, site: SiteName, { to }: Intent): DriverStep<OfFollower> =>
  planStep(follow, site, {
    phase: 'PROTECT',
    needs: [stepOf(component, promote, to)],
    title: `Has ${serverName(component, site)} stream from ${serverName(component, to)}, and proves that it replays what that writes now`,
    deadline: withinOf(component),
    expected: seconds(5),
    parameters: parametersFor(component, site, to),
  })

/** A former primary becomes a replica again; what only it holds goes. */
export const rejoinStep = (
  component: Database,
  site: SiteName,
  peer: SiteName,
  phase: Extract<Phase, 'START' | 'PROTECT'>,
): DriverStep<OfFollower> =>
  planStep(rejoin, site, {
    phase,
    irreversible: true,
    title: `Makes ${serverName(component, site)} a replica of ${serverName(component, peer)}, and proves that it replays what that writes now`,
    deadline: withinOf(component),
    expected: seconds(60),
    parameters: parametersFor(component, site, peer),
  })

/**
 * A replica follows when it has replayed what its primary wrote after it was looked at. Neither its role nor the number
 * of its timeline says so: a former primary that promoted itself to the same number calls itself a replica, and never
 * replays anything.
 */
async function follows(run: Run, mayBeMadeAnew: boolean): Promise<Seen<Following, never>> {
  const { server: name, primary: primaryName, peer } = run.step.parameters
  const other = await look(run, siteOf(run))
  // A server that is stopped gives no answer: the call starts it.
  if (other.is === 'unknown') return { is: 'pending', waitingFor: `${name} to answer, in recovery: ${other.why}` }
  const site = siteNamed(run, peer)
  const primary = await look(run, site)
  if (primary.is === 'unknown') return { is: 'unknown', why: `${primaryName} cannot be asked: ${primary.why}` }
  const relation = relationTo(primary.server, other.server, 'other-first')
  if (relation.is !== 'copy' && mayBeMadeAnew && !run.applied)
    return { is: 'pending', waitingFor: `${name} to be made anew` }
  if (relation.is === 'another-database')
    return {
      is: 'failed',
      code: codes.code['another-database'],
      why: `${name} has the system id ${other.server.systemId}, ${primaryName} has ${primary.server.systemId}`,
      next: 'Find out which of the two holds your data.',
    }
  if (relation.is === 'diverged') {
    // It may be on its way: a server that is being made anew is still the old one for a while.
    if (mayBeMadeAnew) return { is: 'pending', waitingFor: `${name} to be made anew: ${relation.why}` }
    if (!other.server.inRecovery && !run.applied)
      return { is: 'pending', waitingFor: `${name} to follow ${primaryName}` }
    return {
      is: 'failed',
      code: codes.code['history-forked'],
      why: `${name} has what ${primaryName} does not have: ${relation.why}`,
      next: `It must be made anew: standby failover plan --mode rejoin --to ${siteOf(run)}`,
    }
  }
  if (!relation.streams) return { is: 'pending', waitingFor: `${name} to stream from ${primaryName}` }
  return replaysNewWrite(run, site, other.server)
}

/** How often a replica is asked for what its primary has just written, before the step says that it waits. */
const TRIES = 4
const BETWEEN: Milliseconds = 250

/** The message lies beyond what the replica had before, so only a replica that replays reaches its end. */
async function replaysNewWrite(run: Run, primary: SiteName, before: ServerState): Promise<Seen<Following, never>> {
  const { server: name, primary: primaryName } = run.step.parameters
  const refused = await whyNotWritable(run, primary)
  if (refused !== null) return { is: 'pending', waitingFor: `${primaryName} to take a write: ${refused}` }
  const written = await look(run, primary)
  if (written.is === 'unknown') return { is: 'unknown', why: `${primaryName} cannot be asked: ${written.why}` }
  const [end, had] = [parseLsn(written.server.currentLsn), parseLsn(before.replayLsn)]
  for (let tries = 0; end !== null && had !== null && end > had && tries < TRIES; tries++) {
    if (tries > 0) await run.context.clock.sleep(BETWEEN, run.signal)
    const now = await look(run, siteOf(run))
    if (now.is === 'unknown') return { is: 'unknown', why: `${name} cannot be asked: ${now.why}` }
    const { replayLsn, timeline, inRecovery } = now.server
    if (inRecovery && (parseLsn(replayLsn) ?? 0n) >= end && timeline === written.server.timeline)
      return { is: 'done', proof: { timeline, replayed: replayLsn ?? '' } }
  }
  return {
    is: 'pending',
    waitingFor: `${name} to replay what ${primaryName} writes, up to ${written.server.currentLsn}: it is at ${before.replayLsn}`,
  }
}

async function call(run: Run, name: 'follow' | 'rejoin', declared: DeclaredCall | undefined): Promise<void> {
  // The demotion itself had it follow, where no call is declared.
  if (declared === undefined) return
  await perform(run, { name, declared }, siteOf(run), { peer: siteNamed(run, run.step.parameters.peer) })
}

const following: Plain<PostgresSpec, OfFollower, Following, Begun> = {
  is: 'plain',
  done: (run) => follows(run, false),
  apply: (run) => call(run, 'follow', run.component.spec.follow),
  back: { is: 'irreversible' },
}

const rejoining: Plain<PostgresSpec, OfFollower, Following, Begun> = {
  is: 'plain',
  done: (run) => follows(run, run.component.spec.rejoin !== undefined),
  apply(run) {
    const { rejoin: declared, follow: instead } = run.component.spec
    return declared === undefined ? call(run, 'follow', instead) : call(run, 'rejoin', declared)
  },
  back: { is: 'irreversible' },
}

const parameters = parametersOf<OfFollower>({ server: TEXT, primary: TEXT, peer: TEXT })

export const follow: Action<PostgresSpec, OfFollower, Following> = {
  name: 'follow',
  parameters,
  behaviour: following,
  byHand: byHandFollow,
}

export const rejoin: Action<PostgresSpec, OfFollower, Following> = {
  name: 'rejoin',
  parameters,
  behaviour: rejoining,
  byHand: byHandRejoin,
}
