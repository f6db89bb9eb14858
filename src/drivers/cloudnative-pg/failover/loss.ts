import type { BySite } from '../../../domain/observed.ts'
import type { ComponentLoss, Intent } from '../../../domain/plan.ts'
import { parseLsn, parseSegment, reachesAsFar, timelineIn } from '../../../systems/postgres/wal.ts'
import { readableDuration } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'
import { parameter } from '../steps.ts'
import type { Run } from '../where.ts'
import { farther } from './followers-ahead.ts'

/**
 * What a failover now would lose. Seconds: from the newest known shipment up to now, because nobody knows when a silent
 * primary wrote its last row. No vantage point bounds that: a load balancer that finds the site down does not see the
 * sessions that it still has. What is likely is said beside it, and bounds nothing. A shipment has the time at which it
 * arrived: of a primary that was behind, more is lost.
 */
export function predictedLoss(
  component: Database,
  states: BySite<CloudNativePgState>,
  intent: Intent,
  now: string,
): ComponentLoss | null {
  if (intent.mode !== 'failover') return null
  const to = states[intent.to]
  if (to?.kind !== 'answering')
    return { of: 'writes', bytes: [0, null], seconds: [0, null], why: `nothing is known of ${intent.to}` }
  const from = states[intent.from]
  const { instance, upstream, segmentBytes } = to.state
  const lost = clusterOf(component, intent.from)
  const archived = upstream?.newest ?? null
  const known = newestOf([
    archived === null ? null : { at: archived.at, what: `${archived.segment} of ${lost} reached the archive` },
    ownShipment(to.state),
  ])
  const seconds = known === null ? null : Math.max(0, Math.ceil((Date.parse(now) - Date.parse(known.at)) / 1_000))
  const likely = from?.kind === 'answering' || seconds === null ? null : likelyLoss(to.state, seconds)
  const why = [
    known === null ? `it is not known when ${lost} last shipped anything` : `${known.what} at ${known.at}`,
    ...(known === null
      ? []
      : [
          'what it wrote later may be lost, counted up to now, so the figure grows with the clock; more, if it was behind with shipping',
        ]),
    ...(likely === null ? [] : [likely.why(lost)]),
    ...(upstream?.beyond === undefined
      ? []
      : [`${upstream.beyond} lies behind a hole in its archive: that segment and what follows it can not be replayed`]),
    ...(upstream?.silent == null ? [] : [`its archive does not answer (${upstream.silent})`]),
    ...(instance?.isWalReceiverActive === true ? [`${to.state.cluster} streams from it at this moment`] : []),
  ]
  const [most] = farther(component, states, intent)
  if (most !== undefined)
    why.push(`${most.site} holds ${most.bytes} bytes of it that are not here, and are lost for certain`)
  const end = from?.kind === 'answering' ? parseLsn(from.state.instance?.currentLsn) : null
  const reached = [
    parseLsn(instance?.receivedLsn),
    parseLsn(instance?.replayLsn),
    archived === null || segmentBytes === null ? null : (parseSegment(archived.segment, segmentBytes)?.end ?? null),
  ].reduce<bigint>((most, position) => (position !== null && position > most ? position : most), 0n)
  if (end === null)
    return {
      of: 'writes',
      bytes: [most?.bytes ?? 0, null],
      seconds: [0, seconds],
      ...(likely === null ? {} : { likely: likely.seconds }),
      why: `${lost} is silent, so nobody knows when it wrote last; ${why.join('; ')}`,
    }
  const bytes = end > reached ? Number(end - reached) : 0
  return {
    of: 'writes',
    bytes: [0, bytes],
    seconds: [0, bytes === 0 ? 0 : seconds],
    why: `${lost} still answers and has written ${bytes} bytes that are not here; what it writes until it is fenced comes on top; ${why.join('; ')}`,
  }
}

/**
 * A primary that is written to, and reaches its archive, ships once in `archive_timeout`. When nothing more came for
 * longer than that, it has most likely stopped within that time after its newest shipment: no more than one such time
 * is lost, however long people have been thinking since. Null where this says nothing: the archive is silent or
 * unknown, or has a hole, the setting is off, the time is not over, or the primary is seen to live.
 */
function likelyLoss(
  to: CloudNativePgState,
  upper: number,
): { readonly seconds: number; why(lost: string): string } | null {
  const { archiveTimeout, upstream, instance } = to
  if (
    archiveTimeout === null ||
    upstream?.newest == null ||
    upstream.silent !== null ||
    upstream.beyond !== undefined ||
    instance?.isWalReceiverActive === true
  )
    return null
  const seconds = Math.ceil(archiveTimeout / 1_000)
  if (seconds >= upper) return null
  const every = readableDuration(archiveTimeout)
  return {
    seconds,
    why: (lost) =>
      `likely at most ${every}: while it is written to, ${lost} ships at least every ${every} (archive_timeout), and nothing came since; more if it was behind with shipping, or cut off from its archive while users still reached it`,
  }
}

/**
 * A replica archives what it received: what it has shipped itself, it had. But it ships later than it receives, so this
 * counts too little: it says something only where the lost site's own archive says less. Null where that one holds as
 * much.
 */
function ownShipment({ cluster, instance, upstream }: CloudNativePgState): Known | null {
  const { lastArchivedWAL: segment, lastArchivedWALTime: at } = instance ?? {}
  if (segment === undefined || at === undefined) return null
  const archived = upstream?.newest?.segment
  if (archived !== undefined && (timelineIn(segment) === null || reachesAsFar(archived, segment))) return null
  return {
    at,
    what: `${cluster} shipped ${segment}, which it had received: the replica's own figure, and later than its receipt,`,
  }
}

interface Known {
  readonly at: string
  readonly what: string
}
const newestOf = (candidates: readonly (Known | null)[]): Known | null =>
  candidates.reduce<Known | null>((newest, one) => {
    if (one === null || Number.isNaN(Date.parse(one.at))) return newest
    return newest === null || Date.parse(one.at) > Date.parse(newest.at) ? one : newest
  }, null)

/**
 * What the failover has lost, once the new history has begun: exact in bytes where the old primary was fenced and says
 * where it ended, else from its last known position up to an end that nobody knows.
 */
export function countedLoss(run: Run, forkedAt: string): JsonObject {
  const drained = run.proofOf(parameter(run.step, 'drained'))
  const fenced = run.proofOf(parameter(run.step, 'fenced'))
  const fork = parseLsn(forkedAt)
  const exactEnd = parseLsn(typeof fenced?.endedAt === 'string' ? fenced.endedAt : null)
  const lastSeen = run.step.parameters.lastSeenAt
  const beyond = (end: bigint | null): number => (end === null || fork === null || end <= fork ? 0 : Number(end - fork))
  const bytes: readonly [number, number | null] =
    exactEnd === null
      ? [beyond(parseLsn(typeof lastSeen === 'string' ? lastSeen : null)), null]
      : [beyond(exactEnd), beyond(exactEnd)]
  const lastCommit = Date.parse(String(drained?.lastCommitAt ?? ''))
  const closed = Date.parse(typeof fenced?.fencedAt === 'string' ? fenced.fencedAt : run.begunAt)
  const upTo =
    Number.isNaN(lastCommit) || Number.isNaN(closed) ? null : Math.max(0, Math.ceil((closed - lastCommit) / 1_000))
  return {
    bytes: [...bytes],
    seconds: bytes[1] === 0 ? [0, 0] : [0, upTo],
    lastCommitAt: drained?.lastCommitAt ?? null,
    why:
      exactEnd !== null
        ? `the old primary was fenced at ${String(fenced?.endedAt)}`
        : typeof fenced?.state === 'string'
          ? `the old primary is fenced, and was not shut down in good order ("${fenced.state}"): nobody knows where its WAL ends`
          : 'the old primary is silent: it may have written up to the moment at which it was shut out',
  }
}
