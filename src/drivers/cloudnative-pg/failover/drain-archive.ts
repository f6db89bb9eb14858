import { type AcceptedLoss, acceptedLossText, coversLoss, UNKNOWN_LOSS } from '../../../domain/accepted-loss.ts'
import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { awsS3 } from '../../../driver/manual.ts'
import { FLAG, NUMBER, orNull, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { runningFor } from '../../../driver/running-for.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
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
import { codes } from '../codes.ts'
import { askArchiveAgain } from '../move/leave-archive.ts'
import { SEGMENT_LENGTH } from '../move/ship-wal.ts'
import { asksArchiveOf, type ClusterObject, type InstanceStatus } from '../objects.ts'
import {
  askSql,
  clusterOfRun,
  type DatabaseRun,
  instanceOf,
  invalidateCluster,
  type OfCluster,
  remember,
  siteNamed,
} from '../run.ts'
import { archiveByHand, clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database, incarnationFolder } from '../spec.ts'
import { closeArchive } from './close-archive.ts'
import type { Upstream } from './upstream.ts'

/** What the lost primary has shipped is not lost: it is replayed before anything is promoted. */
export function drainStep(
  component: Database,
  intent: Intent,
  upstream: Upstream | null,
  segments: SegmentBytes | null,
  { closes }: { readonly closes: boolean } = { closes: false },
): DriverStep<OfDrainage> {
  const to = clusterOf(component, intent.to)
  const lost = clusterOf(component, intent.from)
  return planStep(drainArchive, intent.to, {
    phase: 'FINAL_SYNC',
    needs: closes ? [stepOf(component, closeArchive, intent.from)] : [],
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

type OfDrainage = OfCluster & {
  /** metadata.name of the lost Cluster. */
  readonly lost: string
  /** The site whose archive it is. */
  readonly archiveOf: string
  /** The incarnation; empty where it is not known. */
  readonly serverName: string
  /** Whether the archive answered when the plan was made. */
  readonly answered: boolean
  /** Length of the WAL segments; null: the follower is asked. */
  readonly segmentBytes: number | null
}
/** Where the follower stood when it had all of the archive that it can get. */
export interface Drained extends Proof {
  readonly archive: 'drained' | 'silent' | 'stuck'
  /** Name of the last segment that was replayed. */
  readonly upTo: string | null
  /** Of a follower that is stuck: the segments that it did not replay. */
  readonly notReplayed?: string
  /** The first segment after a hole in the archive. */
  readonly behindAHole: string | null
  /** Position of the follower (LSN). */
  readonly replayed: string
  /** ISO 8601, of the last commit that it has. */
  readonly lastCommitAt: string | null
  readonly timeline: number
  /** Whether all that a promotion reads is in pg_wal, so that it need not ask the archive. */
  readonly endIsHere: boolean
}
interface Remembered {
  /** Length of the segments, as the follower reported it. */
  readonly segments?: SegmentBytes
  /** Where the follower stands with the archive as it is, and since when (ms since the epoch). */
  readonly standing?: { readonly at: string; readonly since: number }
}
type Run = DatabaseRun<OfDrainage, Remembered>

/** Time for an archive that answered when the plan was made, and for one that was silent even then. */
const PATIENCE = { answered: seconds(30), silent: seconds(3) }
/**
 * Longer than two rounds of wal_retrieve_retry_interval (5 s): a follower that stands still for so long has been
 * offered everything.
 */
const STILL = seconds(12)
/** Bytes: images of all 33 pages that a record of WAL may name, and their rows, are shorter. */
const LONGEST_RECORD = 1024n * 1024n
/** Much longer than a round: a failover must not wait for ever for what its follower cannot fetch. */
const STUCK = seconds(60)
/** People decide meanwhile, and the loss grows. */
const TO_DECIDE = minutes(30)

export const drainArchive: Action<CloudNativePgSpec, OfDrainage, Drained> = {
  name: 'drain-archive',
  parameters: parametersOf<OfDrainage>({
    cluster: TEXT,
    lost: TEXT,
    archiveOf: TEXT,
    serverName: TEXT,
    answered: FLAG,
    segmentBytes: orNull(NUMBER),
  }),
  varies: {
    // An archive that went silent since is waited for longer, as one that answered. One that answers by now deserves a
    // plan that waits for it.
    answered: (planned, now) => planned === true && now === false,
    // A length that one observation got and another did not is no difference: the step asks the follower itself.
    segmentBytes: (planned, now) => planned === null || now === null,
  },
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const { name } = cluster.metadata
      // A switchover that ended with the loss of its site may have left it so: it would never fetch what is in the
      // archive.
      if (!asksArchiveOf(cluster, run.step.parameters.lost))
        return { is: 'pending', waitingFor: `${name} to ask the archive again`, due: asSeen(cluster) }
      return hasDrained(run, cluster)
    },
    apply: (run: Run, seen: AsSeen) => askArchiveAgain(run, seen, run.step.parameters.lost),
    invalidate: invalidateCluster,
    back: { is: 'leaves-nothing', because: 'a replica that asks its archive is as a deploy declares it' },
  },
  byHand: {
    say(component, step, around) {
      const { cluster, archiveOf } = step.parameters
      const { folder, location } = archiveByHand(component, step.parameters, around)
      const { psql } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [
          `${awsS3(location, archiveOf)} s3 ls --recursive s3://${location.bucket}/${folder}wals/ | sort -k4 | tail -1   # the newest segment; a silent archive is not waited for`,
          psql('SELECT pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()'),
        ],
        expect:
          'The replayed position has reached the end of the newest segment, or stands still for 15 s less than 1 MiB before it (a record that was cut off). Write down both answers: what came after them is lost.',
      }
    },
  },
}

/** Whether the follower has replayed all of the archive that it can get. */
async function hasDrained(run: Run, cluster: ClusterObject): Promise<Seen<Drained, never>> {
  const { name } = cluster.metadata
  const instance = await instanceOf(run, cluster)
  const replayed = parseLsn(instance?.replayLsn)
  if (instance?.isPrimary === true)
    return {
      is: 'failed',
      code: codes.code['not-a-replica'],
      why: `${name} is a primary already`,
      next: 'Find out who promoted it.',
    }
  if (instance === null || replayed === null) return { is: 'pending', waitingFor: `${name} to answer` }
  const segments = await segmentsOf(run)
  if (segments === null) return { is: 'pending', waitingFor: `${name} to report how long its WAL segments are` }
  const archived = await archivedSince(run, instance, replayed, segments)
  if (archived === null)
    return isGivenUp(run)
      ? proven(run, name, 'silent', segments, null, [])
      : { is: 'pending', waitingFor: 'the archive to answer' }
  const reach = reachFrom(
    archived.map((one) => one.name),
    replayed,
    segments,
  )
  const stoodStill = standsStill(run, replayed, reach)
  if (hasReplayed(replayed, reach, stoodStill)) return proven(run, name, 'drained', segments, reach, archived)
  if (stoodStill >= STUCK) return stuck(run, name, instance, segments, reach, archived)
  const end = formatLsn(reach.last?.end ?? replayed)
  return { is: 'pending', waitingFor: `${name} to replay up to ${end}, the end of the archive` }
}

/** By the plan; else the follower is asked, which costs a process in its pod. Null while it does not answer. */
async function segmentsOf(run: Run): Promise<SegmentBytes | null> {
  const known = asSegmentBytes(run.step.parameters.segmentBytes) ?? run.memory.value?.segments
  if (known !== undefined) return known
  const [row] = (await askSql(run, `${SEGMENT_LENGTH};`)) ?? []
  const segments = asSegmentBytes(Number(row?.[0]))
  if (segments !== null) remember<Remembered>(run, { segments })
  return segments
}

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
      .objectStore(component.spec.archive.store, siteNamed(run, run.step.parameters.archiveOf))
      .open('read')
    // From the last segment that was replayed as a whole: it names the timeline, which the replica itself may not have
    // written down yet.
    const size = BigInt(segments)
    const behind = replayed <= size ? 0n : replayed - 1n - size
    const folder = incarnationFolder(component, run.step.parameters.serverName)
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

const isGivenUp = (run: Run): boolean =>
  runningFor(run) >= (run.step.parameters.answered ? PATIENCE.answered : PATIENCE.silent)

/** How long the follower has been standing where it stands, with the archive as it is. */
function standsStill(run: Run, replayed: bigint, reach: Reach): Milliseconds {
  const now = run.context.clock.now().getTime()
  const at = `${replayed} ${reach.last?.end}`
  const before = run.memory.value?.standing
  if (before?.at === at) return now - before.since
  remember<Remembered>(run, { standing: { at, since: now } })
  return 0
}

/**
 * A record that crosses the end of the last segment cannot be replayed, so a follower may never reach that end: it has
 * come as far as it can when it stands still where only such a record is left. Further from the end it may have part
 * of the segment from its stream, and has not fetched the rest (seen on a busy machine).
 */
const hasReplayed = (replayed: bigint, { last }: Reach, stoodStill: Milliseconds): boolean =>
  last === null || replayed >= last.end || (last.end - replayed < LONGEST_RECORD && stoodStill >= STILL)

/**
 * The follower cannot fetch what this process sees in the archive. To go on without it loses more than was predicted,
 * because the prediction counts on the archive: people who accept a loss decide that. Within their bound the rest is
 * given up; beyond it the step fails and says which bound is needed.
 */
async function stuck(
  run: Run,
  name: string,
  instance: InstanceStatus,
  segments: SegmentBytes,
  reach: Reach,
  archived: readonly ArchivedWal[],
): Promise<Seen<Drained, never>> {
  const given = await proven(run, name, 'stuck', segments, reach, archived)
  if (given.is !== 'done') return given
  const { proof } = given
  const since = newestOf([proof.lastCommitAt, ...replayedBy(proof.replayed, archived, segments).map(({ at }) => at)])
  const lost = since === null ? null : run.context.clock.now().getTime() - since
  const accepted = run.intent?.acceptLoss
  if (coversLoss(accepted, lost)) {
    run.context.log.warning(
      `${run.step.id}: goes on without ${proof.notReplayed}: ${name} does not fetch it, and the accepted loss covers it`,
    )
    return given
  }
  return {
    is: 'failed',
    code: codes.code['drain-stuck'],
    why: `${whyStuck(run, name, instance, proof)}. ${lossWithout(lost, accepted)}`,
    next: `Look at the way from ${name} to that archive (its keys, the network, its log), and plan again. ${toDoWithout(lost)}`,
  }
}

function lossWithout(lost: Milliseconds | null, accepted: AcceptedLoss | undefined): string {
  if (lost === null) return 'How much would be lost without it is unknown'
  const limit = accepted === undefined ? 'no loss' : acceptedLossText(accepted)
  return `Without it ${readableDuration(lost)} of writes would be lost, ${limit} is accepted`
}

function whyStuck(run: Run, name: string, { lastFailedWAL }: InstanceStatus, proof: Drained): string {
  const failed = lastFailedWAL === undefined ? '' : `; it failed to archive ${lastFailedWAL}`
  return `${name} has been standing at ${proof.replayed} for ${readableDuration(STUCK)}, and the archive of ${run.step.parameters.lost} holds ${proof.notReplayed}, which it does not replay${failed}`
}

/** How a loss of so much time (null: unknown) is accepted. */
const toDoWithout = (lost: Milliseconds | null): string =>
  lost === null
    ? `To do without it, plan again and accept a loss that cannot be measured: --accept-data-loss ${UNKNOWN_LOSS}.`
    : `To do without it, plan again and accept the loss: --accept-data-loss ${Math.ceil((lost + TO_DECIDE) / minutes(1))}m.`

const newestOf = (times: readonly (string | null)[]): number | null => {
  const known = times.map((time) => Date.parse(time ?? '')).filter((time) => !Number.isNaN(time))
  return known.length === 0 ? null : Math.max(...known)
}

/** Archived segments that are replayed as a whole. */
const replayedBy = (position: string, archived: readonly ArchivedWal[], segments: SegmentBytes): ArchivedWal[] => {
  const replayed = parseLsn(position) ?? 0n
  return archived.filter(({ name }) => (parseSegment(name, segments)?.end ?? replayed + 1n) <= replayed)
}

/**
 * Where the follower stands, and when the last transaction that it has was committed: after the promotion that cannot
 * be found out any more.
 */
async function proven(
  run: Run,
  name: string,
  archive: 'drained' | 'silent' | 'stuck',
  segments: SegmentBytes,
  reach: Reach | null,
  archived: readonly ArchivedWal[],
): Promise<Seen<Drained, never>> {
  const rows = await askSql(run, POSITION)
  const [row] = rows ?? []
  if (row === undefined) return { is: 'pending', waitingFor: `${name} to answer` }
  const replayed = parseLsn(row[0])
  if (replayed === null) return { is: 'pending', waitingFor: `${name} to report its position` }
  const names = archived.map((one) => one.name)
  const replayedOf = wholeSegments(names, segments).filter(({ start }) => start < replayed)
  const [, , files = '', ...timelines] = row
  const timeline = Math.max(...timelines.map(Number), ...replayedOf.map(({ timeline }) => timeline))
  const proof: Drained = {
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

/** The timeline that a replica reports lags until its next restartpoint: the largest of these is the true one. */
const POSITION = `SELECT pg_last_wal_replay_lsn(),
  coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ''),
  (SELECT string_agg(name, ' ') FROM pg_ls_waldir()),
  (SELECT timeline_id FROM pg_control_checkpoint()),
  (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
  coalesce((SELECT received_tli FROM pg_stat_wal_receiver), 0);`
