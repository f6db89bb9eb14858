import type { BySite, Gap } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import { gapBetween, type ServerPosition } from '../../systems/postgres/server-position.ts'
import type { SegmentBytes } from '../../systems/postgres/wal.ts'
import type { Upstream } from './failover/upstream.ts'
import type { InstanceStatus } from './objects.ts'

/** The part of a cluster's state that says how far it is. */
export interface Positioned {
  readonly systemId: string | null
  readonly instance: InstanceStatus | null
  readonly segmentBytes: SegmentBytes | null
  readonly upstream: Upstream | null
}

/** The position of a cluster's primary instance, in the words that all PostgreSQL drivers share. Pure. */
export function positionOf({ systemId, instance, segmentBytes, upstream }: Positioned): ServerPosition {
  return {
    systemId,
    currentLsn: instance?.currentLsn ?? null,
    receivedLsn: instance?.receivedLsn ?? null,
    replayLsn: instance?.replayLsn ?? null,
    streams: instance?.isWalReceiverActive === true,
    shippedWal: instance?.lastArchivedWAL ?? null,
    shippedAt: instance?.lastArchivedWALTime ?? null,
    segmentBytes,
    archive: upstream,
  }
}

/** How far each passive cluster is behind the active one. Pure. */
export function gapsOf(states: BySite<Positioned>, activeSite: SiteName, now: string): Record<string, Gap> {
  const active = states[activeSite]
  const source = active?.kind === 'answering' ? positionOf(active.state) : null
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]) =>
      site === activeSite || seen.kind !== 'answering' ? [] : [[site, gapBetween(source, positionOf(seen.state), now)]],
    ),
  )
}
