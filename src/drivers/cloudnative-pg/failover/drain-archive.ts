import { acceptedLossText, coversLoss, UNKNOWN_LOSS } from '../../../domain/accepted-loss.ts'
import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { runningFor } from '../../../driver/running-for.ts'
import type { Varies } from '../../../driver/varying.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { type ArchivedWal, walSince } from '../../../systems/postgres/barman-archive.ts'
import {
  asSegmentBytes,
  formatLsn,
  holdsEnd,
  parseLsn,
  parseSegment,
  type Reach,
  reachFrom,
  type SegmentBytes,
  segmentName,
  wholeSegments,
} from '../../../systems/postgres/wal.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../../../values/duration.ts'
import type { Json, JsonObject } from '../../../values/json.ts'
import { askArchiveAgain } from '../move/leave-archive.ts'
import { SEGMENT_LENGTH } from '../move/ship-wal.ts'
import { asksArchiveOf, type InstanceStatus } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database, incarnationFolder } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, type Run, touchCluster } from '../where.ts'
import type { Upstream } from './upstream.ts'

/** What the lost primary has shipped is not lost: it is replayed before anything is promoted. */
export function drainStep(
  component: Database,
  intent: Intent,
  upstream: Upstream | null,
  segments: SegmentBytes | null,
): PlannedStep {
  const to = clusterOf(component, intent.to)
  const lost = clusterOf(component, intent.from)
  return plannedStep(component, 'drain-archive', intent.to, {
    phase: 'FINAL_SYNC',
    title: `Waits until ${to} has replayed all that ${lost} left in its archive; a silent archive is not waited for`,
    deadline: minutes(10),
    expected: seconds(3),
    parameters: {
      cluster: to,
      lost,
      archiveOf: intent.from,
      serverName: upstream?.serverName ?? '',
      answered: upstream !== null && upstream.silent === null,
      segmentBytes: segments,
    },
  })
}

/**
 * One that went silent since is waited for longer, as one that answered; one that answers by now deserves a plan that
 * waits for it.
 */
export const answerVaries: Varies = (planned, now) => planned === true && now === false

/** What one look did not hear, and another one did, is no difference: the follower itself is asked then. */
export const lengthVaries: Varies = (planned, now) => planned === null || now === null

/** How long an archive is waited for that answered when the plan was made, and one that was silent even then. */
const PATIENCE = { answered: seconds(30), silent: seconds(3) }
/**
 * Longer than two rounds of wal_retrieve_retry_interval (5 s): a follower that stands still for so long has been
 * offered everything.
 */
const STILL = seconds(12)
/** Much longer than a round: no failover may wait for ever for what its follower can not fetch. */
const STUCK = seconds(60)
/** People decide meanwhile, and the loss grows. */
const TO_DECIDE = minutes(30)

export const drainArchive: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const name = cluster.metadata.name
    // A switchover that ended with the loss of its site may have left it so: it would never fetch what it is waited
    // for.
    if (!asksArchiveOf(cluster, parameter(run.step, 'lost')))
      return { is: 'pending', waitingFor: `${name} to ask the archive again`, restsOn: asSeen(cluster) }
    const instance = await instanceOf(run, cluster)
    const replayed = parseLsn(instance?.replayLsn)
    if (instance?.isPrimary === true)
      return {
        is: 'failed',
        code: 'not-a-replica',
        why: `${name} is a primary already`,
        next: 'Find out who promoted it.',
      }
    if (instance === null || replayed === null) return { is: 'pending', waitingFor: `${name} to answer` }
    const segments = await segmentsOf(run)
    if (segments === null) return { is: 'pending', waitingFor: `${name} to say how long its WAL segments are` }
    const archived = await archivedSince(run, instance, replayed, segments)
    if (archived === null)
      return givenUp(run)
        ? proven(run, name, 'silent', segments, null, [])
        : { is: 'pending', waitingFor: 'the archive to answer' }
    const reach = reachFrom(
      archived.map((one) => one.name),
      replayed,
      segments,
    )
    const stoodStill = standsStill(run, replayed, reach)
    if (!hasReplayed(replayed, reach, stoodStill)) {
      if (stoodStill >= STUCK) return stuck(run, name, instance, segments, reach, archived)
      return {
        is: 'pending',
        waitingFor: `${name} to replay up to ${formatLsn(reach.last?.end ?? replayed)}, the end of the archive`,
      }
    }
    return proven(run, name, 'drained', segments, reach, archived)
  },
  apply: (run) => askArchiveAgain(run, parameter(run.step, 'lost')),
  touch: touchCluster,
}

/** By the plan; else by the follower's own word, which costs a process in its pod. Null while it does not answer. */
async function segmentsOf(run: Run): Promise<SegmentBytes | null> {
  const planned = asSegmentBytes(run.step.parameters.segmentBytes) ?? said.get(run.signal)
  if (planned !== undefined) return planned
  const [row] = (await askSql(run, `${SEGMENT_LENGTH};`)) ?? []
  const segments = asSegmentBytes(Number(row?.[0]))
  if (segments !== null) said.set(run.signal, segments)
  return segments
}
const said = new WeakMap<AbortSignal, SegmentBytes>()

/** Null while the store does not answer. */
async function archivedSince(
  run: Run,
  instance: InstanceStatus,
  replayed: bigint,
  segments: SegmentBytes,
): Promise<ArchivedWal[] | null> {
  const { context, component } = run
  try {
    const store = await context
      .objectStore(component.spec.archive.store, parameter(run.step, 'archiveOf') as SiteName)
      .open('read')
    // Back to the last segment that was replayed as a whole: it names the timeline, which the replica itself may not
    // have written down yet.
    const size = BigInt(segments)
    const behind = replayed <= size ? 0n : replayed - 1n - size
    const folder = incarnationFolder(component, parameter(run.step, 'serverName'))
    return await walSince(store, folder, segmentName(instance.timeLineID, behind, segments), {
      signal: run.signal,
      deadline: seconds(2),
    })
  } catch (error) {
    run.signal.throwIfAborted()
    context.log.debug(`${run.step.id}: ${asStandbyError(error).message}`)
    return null
  }
}

const givenUp = (run: Run): boolean =>
  runningFor(run) >= (run.step.parameters.answered === true ? PATIENCE.answered : PATIENCE.silent)

/** Since when a follower has been standing where it stands, with the archive as it is. */
const standing = new WeakMap<AbortSignal, { readonly at: string; readonly since: number }>()

/** How long it has been standing so. */
function standsStill(run: Run, replayed: bigint, reach: Reach): Milliseconds {
  const now = run.context.clock.now().getTime()
  const at = `${replayed} ${reach.last?.end}`
  const before = standing.get(run.signal)
  if (before?.at === at) return now - before.since
  standing.set(run.signal, { at, since: now })
  return 0
}

/**
 * A record that crosses the end of the last segment can not be replayed, so a follower may never reach that end: it has
 * come as far as it can when it stands still inside the segment.
 */
const hasReplayed = (replayed: bigint, { last }: Reach, stoodStill: Milliseconds): boolean =>
  last === null || replayed >= last.end || (replayed > last.start && stoodStill >= STILL)

/**
 * The follower can not fetch what this process sees in the archive. To go on without it loses more than was predicted,
 * which counted on it: that is for those to decide who accepted a loss. Within their bound the rest is given up; beyond
 * it the step fails and says which bound it takes.
 */
async function stuck(
  run: Run,
  name: string,
  instance: InstanceStatus,
  segments: SegmentBytes,
  reach: Reach,
  archived: readonly ArchivedWal[],
): Promise<Progress> {
  const given = await proven(run, name, 'stuck', segments, reach, archived)
  if (given.is !== 'done') return given
  const { proof } = given
  const since = newestOf([proof.lastCommitAt, ...replayedBy(proof.replayed, archived, segments).map(({ at }) => at)])
  const lost = since === null ? null : run.context.clock.now().getTime() - since
  const accepted = run.intent?.acceptLoss
  if (coversLoss(accepted, lost)) {
    run.context.log.warning(
      `${run.step.id}: goes on without ${String(proof.notReplayed)}: ${name} does not fetch it, and the accepted loss covers it`,
    )
    return given
  }
  const lostSite = parameter(run.step, 'lost')
  const failed = instance.lastFailedWAL === undefined ? '' : `; it failed to archive ${instance.lastFailedWAL}`
  return {
    is: 'failed',
    code: 'drain-stuck',
    why: `${name} has been standing at ${String(proof.replayed)} for ${readableDuration(STUCK)}, and the archive of ${lostSite} holds ${String(proof.notReplayed)}, which it does not replay${failed}. ${lost === null ? 'Nobody knows how much would be lost without it' : `Without it ${readableDuration(lost)} of writes would be lost, ${accepted === undefined ? 'no loss' : acceptedLossText(accepted)} is accepted`}`,
    next: `Look at the way from ${name} to that archive (its keys, the network, its log), and plan again. ${lost === null ? `To do without it, plan again and accept a loss that cannot be measured: --accept-data-loss ${UNKNOWN_LOSS}.` : `To do without it, plan again and accept the loss: --accept-data-loss ${Math.ceil((lost + TO_DECIDE) / minutes(1))}m.`}`,
  }
}

const newestOf = (times: readonly (Json | undefined)[]): number | null => {
  const known = times.map((time) => Date.parse(String(time))).filter((time) => !Number.isNaN(time))
  return known.length === 0 ? null : Math.max(...known)
}

/** Archived segments that are replayed as a whole. */
const replayedBy = (
  position: Json | undefined,
  archived: readonly ArchivedWal[],
  segments: SegmentBytes,
): ArchivedWal[] => {
  const replayed = parseLsn(String(position)) ?? 0n
  return archived.filter(({ name }) => (parseSegment(name, segments)?.end ?? replayed + 1n) <= replayed)
}

/**
 * Where the follower stands, and when the last transaction that it knows was committed: after the promotion nobody can
 * tell any more.
 */
async function proven(
  run: Run,
  name: string,
  archive: 'drained' | 'silent' | 'stuck',
  segments: SegmentBytes,
  reach: Reach | null,
  archived: readonly ArchivedWal[],
): Promise<Progress> {
  const rows = await askSql(run, POSITION)
  const [row] = rows ?? []
  if (row === undefined) return { is: 'pending', waitingFor: `${name} to answer` }
  const replayed = parseLsn(row[0])
  if (replayed === null) return { is: 'pending', waitingFor: `${name} to say how far it is` }
  const names = archived.map((one) => one.name)
  const replayedOf = wholeSegments(names, segments).filter(({ start }) => start < replayed)
  const [, , files = '', ...timelines] = row
  const timeline = Math.max(...timelines.map(Number), ...replayedOf.map(({ timeline }) => timeline))
  const proof: JsonObject = {
    archive,
    upTo:
      reach?.last == null || archive === 'stuck' ? null : segmentName(reach.last.timeline, reach.last.start, segments),
    ...(archive === 'stuck' ? { notReplayed: notReplayed(replayed, reach, segments) } : {}),
    behindAHole: reach?.beyond ?? null,
    replayed: row[0] ?? '',
    lastCommitAt: row[1] === undefined || row[1] === '' ? null : row[1],
    timeline,
    endIsHere: holdsEnd(files, segmentName(timeline, replayed - 1n, segments), timeline),
  }
  return { is: 'done', proof }
}

/** `…2A to …2C`. */
function notReplayed(replayed: bigint, reach: Reach | null, segments: SegmentBytes): string {
  if (reach?.last == null) return ''
  const { timeline, start } = reach.last
  const [first, last] = [segmentName(timeline, replayed, segments), segmentName(timeline, start, segments)]
  return first === last ? last : `${first} to ${last}`
}

/** A replica's own word for its timeline lags until its next restartpoint: the largest of these is the true one. */
const POSITION = `SELECT pg_last_wal_replay_lsn(),
  coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ''),
  (SELECT string_agg(name, ' ') FROM pg_ls_waldir()),
  (SELECT timeline_id FROM pg_control_checkpoint()),
  (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
  coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0);`
