import type { ComponentLoss } from '../../domain/plan.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import { reachedBy, type ServerPosition } from './server-position.ts'
import { parseLsn, reachesAsFar, timelineIn } from './wal.ts'

/** Two servers, named as people know them, seen before a failover from the first to the second. */
export interface BeforeFailover {
  /** The primary that is lost; `answers: false`: it is silent, and its position is not known. */
  readonly lost: { readonly name: string; readonly answers: boolean; readonly currentLsn: string | null }
  readonly successor: ServerPosition & {
    readonly name: string
    /** `archive_timeout` of the primary; null: it ships full segments only, or the setting is not known. */
    readonly archiveTimeout: Milliseconds | null
    /**
     * ISO 8601, by the clock of the primary: the newest commit that it has replayed. Whatever is lost was committed
     * later. Absent or null: not known.
     */
    readonly lastCommitAt?: string | null
  }
  /** The other replica that holds the most beyond what the successor can reach; null where there is none. */
  readonly ahead: { readonly site: string; readonly bytes: number } | null
  /** ISO 8601. */
  readonly now: string
}

/**
 * What a failover now would lose. Seconds: from the newest known shipment up to now, because the time of a silent
 * primary's last write is unknown. No vantage point bounds that: a load balancer that finds the site down does not see
 * the sessions that the site still has. `likely` is an estimate, and bounds nothing. A shipment has the time at which
 * it arrived: a primary that was behind with shipping loses more. Pure.
 */
export function lossOfFailover({ lost, successor, ahead, now }: BeforeFailover): ComponentLoss {
  const { archive } = successor
  const archived = archive?.newest ?? null
  const known = newestOf([
    archived === null ? null : { at: archived.at, what: `${archived.segment} of ${lost.name} reached the archive` },
    ownShipment(successor),
    successor.lastCommitAt == null
      ? null
      : { at: successor.lastCommitAt, what: `${successor.name} has replayed a commit that ${lost.name} made` },
  ])
  const seconds = known === null ? null : Math.max(0, Math.ceil((Date.parse(now) - Date.parse(known.at)) / 1_000))
  const estimate = lost.answers || seconds === null ? null : estimatedLoss(successor, seconds)
  const why = [
    known === null ? `it is not known when ${lost.name} last shipped anything` : `${known.what} at ${known.at}`,
    ...(known === null
      ? []
      : [
          'what it wrote later may be lost, counted up to now, so the figure grows with the clock; more, if it was behind with shipping',
        ]),
    ...(estimate === null ? [] : [estimate.why(lost.name)]),
    ...(archive?.beyond === undefined
      ? []
      : [`${archive.beyond} comes after a hole in its archive: that segment and what follows it cannot be replayed`]),
    ...(archive?.silent == null ? [] : [`its archive does not answer (${archive.silent})`]),
    ...(successor.streams ? [`${successor.name} streams from it at this moment`] : []),
    ...(ahead === null
      ? []
      : [`${ahead.site} holds ${ahead.bytes} bytes of it that are not here, and are lost for certain`]),
  ].join('; ')
  const end = lost.answers ? parseLsn(lost.currentLsn) : null
  if (end === null)
    return {
      of: 'writes',
      bytes: [ahead?.bytes ?? 0, null],
      seconds: [0, seconds],
      ...(estimate === null ? {} : { likely: estimate.seconds }),
      why: `${lost.name} is silent, so the time of its last write is unknown; ${why}`,
    }
  const reached = reachedBy(successor) ?? 0n
  const bytes = end > reached ? Number(end - reached) : 0
  return {
    of: 'writes',
    bytes: [0, bytes],
    seconds: [0, bytes === 0 ? 0 : seconds],
    why: `${lost.name} still answers and has written ${bytes} bytes that are not here; what it writes until it is fenced comes on top; ${why}`,
  }
}

/**
 * A primary that is written to, and reaches its archive, ships once per `archive_timeout`. When nothing came for longer
 * than that, it has most likely stopped within that time after its newest shipment: at most one such time is lost,
 * however long the decision takes. Null where this says nothing: the archive is silent or unknown or has a hole, the
 * setting is off, the time is not over, or the primary is seen to live.
 */
function estimatedLoss(
  { archiveTimeout, archive, streams }: BeforeFailover['successor'],
  upper: number,
): { readonly seconds: number; why(lost: string): string } | null {
  if (archive === null || archiveTimeout === null || streams) return null
  if (archive.newest === null || archive.silent !== null || archive.beyond !== undefined) return null
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
 * A replica archives what it received: what it has shipped itself, it had. It ships later than it receives, so this
 * figure is too low, and it says something only where the lost server's own archive says less. Null where that archive
 * holds as much.
 */
function ownShipment({ name, shippedWal, shippedAt, archive }: BeforeFailover['successor']): Shipment | null {
  if (shippedWal === null || shippedAt === null) return null
  const archived = archive?.newest?.segment
  if (archived !== undefined && (timelineIn(shippedWal) === null || reachesAsFar(archived, shippedWal))) return null
  return {
    at: shippedAt,
    what: `${name} shipped ${shippedWal}, which it had received: the replica's own figure, and later than its receipt,`,
  }
}

interface Shipment {
  readonly at: string
  readonly what: string
}
const newestOf = (candidates: readonly (Shipment | null)[]): Shipment | null =>
  candidates.reduce<Shipment | null>((newest, one) => {
    if (one === null || Number.isNaN(Date.parse(one.at))) return newest
    return newest === null || Date.parse(one.at) > Date.parse(newest.at) ? one : newest
  }, null)
