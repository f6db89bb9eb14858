import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { holdsEnd, parseLsn } from '../../../systems/postgres/wal.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { asksArchiveOf, type ClusterObject } from '../objects.ts'
import { askSql, clusterOfRun, type DatabaseRun, instanceOf, invalidateCluster, type OfPair } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { type Demoted, demote } from './demote.ts'
import { askArchiveAgain, leaveArchive } from './leave-archive.ts'
import { type DemotionToken, decodeToken } from './token.ts'

/** Nothing is promoted before it has replayed the very last write of the old primary. */
export function catchUpStep(component: Database, intent: Intent): DriverStep<OfToken> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  const demotion = stepOf(component, demote, intent.from)
  return planStep(catchUp, intent.to, {
    phase: 'FINAL_SYNC',
    needs: [demotion],
    title: `Waits until ${to} has replayed the last write of ${from}, exactly to the byte that its token names`,
    deadline: minutes(5),
    expected: seconds(2),
    parameters: { cluster: to, demotion: demotion.id, peer: from },
  })
}

/** The parameters of a step that needs the token of the demotion. */
export type OfToken = OfPair & {
  /** Id of the demotion. */
  readonly demotion: string
}
/** Where the cluster stood when it had caught up. */
export interface CaughtUp extends Proof {
  readonly redo: string
  readonly timeline: number
  readonly systemId: string
  /** Whether all that a promotion reads is in pg_wal, so that it need not ask the archive. */
  readonly endIsHere: boolean
}

export const catchUp: Action<CloudNativePgSpec, OfToken, CaughtUp> = {
  name: 'catch-up',
  parameters: parametersOf<OfToken>({ cluster: TEXT, demotion: TEXT, peer: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: DatabaseRun<OfToken>) {
      const cluster = await clusterOfRun(run)
      const progress = await caughtUp(run, cluster)
      const late = runningFor(run) >= PATIENCE
      const left = !asksArchiveOf(cluster, run.step.parameters.peer)
      return progress.is === 'pending' && late && left ? { ...progress, due: asSeen(cluster) } : progress
    },
    apply: (run: DatabaseRun<OfToken>, seen: AsSeen) => askArchiveAgain(run, seen, run.step.parameters.peer),
    invalidate: invalidateCluster,
    back: { is: 'undone-by', action: leaveArchive.name },
  },
  byHand: {
    say: (component, step, around) => ({
      commands: [
        clusterShell(component, { site: step.site, cluster: step.parameters.cluster }, around).psql(
          'CHECKPOINT',
          'SELECT redo_lsn, timeline_id, system_identifier FROM pg_control_checkpoint(), pg_control_system()',
        ),
      ],
      expect: 'redo_lsn, timeline and system identifier are exactly those of the token. Repeat until they are.',
      never:
        'Go on with a position that is not exactly the same: the promotion would be refused for good, or lose what is missing.',
    }),
  },
}

/** A stream delivers the end within a second, or it broke: then the archive has it. */
const PATIENCE = seconds(5)

/** The token that the demotion of this run left. */
export function tokenOf(run: DatabaseRun<OfToken>): { readonly text: string; readonly token: DemotionToken } {
  const demotion: StepReference<Demoted> = { id: run.step.parameters.demotion }
  const text = run.proofOf(demotion)?.token
  const token = decodeToken(text)
  if (text === undefined || token === null) throw new Error(`${run.step.id}: the demotion left no token`)
  return { text, token }
}

/** PostgreSQL names the segment itself, for any segment size. */
const POSITION = `CHECKPOINT;
SELECT redo_lsn, timeline_id, (SELECT system_identifier FROM pg_control_system()), redo_wal_file, (SELECT string_agg(name, ' ') FROM pg_ls_waldir())
FROM pg_control_checkpoint();`

async function caughtUp(run: DatabaseRun<OfToken>, cluster: ClusterObject): Promise<Seen<CaughtUp, never>> {
  const { name } = cluster.metadata
  const { token } = tokenOf(run)
  const replayed = parseLsn((await instanceOf(run, cluster))?.replayLsn)
  // The cheap question first: each SQL costs a process on the site that is to be promoted.
  if (replayed === null || replayed <= token.redo)
    return { is: 'pending', waitingFor: `${name} to replay up to ${token.redoText}` }
  // The operator compares with the last restartpoint, after a forced checkpoint; so does this, before any patch.
  const rows = await askSql(run, POSITION)
  if (rows === null) return { is: 'pending', waitingFor: `${name} to answer` }
  const [[redo = '', timelineId, systemId = '', segment = '', files = ''] = []] = rows
  const timeline = Number(timelineId)
  return compare(token, { redo, timeline, systemId, endIsHere: holdsEnd(files, segment, timeline) }, name)
}

/** Whether a cluster stands exactly where the token says. Pure. */
export function compare(token: DemotionToken, now: CaughtUp, cluster: string): Seen<CaughtUp, never> {
  const redo = parseLsn(now.redo)
  if (now.systemId !== token.systemId)
    return {
      is: 'failed',
      code: codes.code['another-database'],
      why: `${cluster} has the system id ${now.systemId}, the token is of ${token.systemId}`,
    }
  if (redo === null || redo < token.redo || now.timeline < token.timeline)
    return { is: 'pending', waitingFor: `${cluster} to checkpoint at ${token.redoText} (is at ${now.redo})` }
  if (redo > token.redo || now.timeline > token.timeline)
    return {
      is: 'failed',
      code: codes.code['replica-ahead-of-token'],
      why: `${cluster} is at ${now.redo} on timeline ${now.timeline}, beyond the token's ${token.redoText} on timeline ${token.timeline}: a promotion would be refused for good`,
      next: 'The old primary is started again. Find out what wrote to the replica.',
    }
  return { is: 'done', proof: { ...now } }
}
