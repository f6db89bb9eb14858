import { withinDeadline } from '../../../clients/within-deadline.ts'
import { seconds } from '../../../duration.ts'
import { asStandbyError, siteError } from '../../../errors.ts'
import type { DriverContext } from '../../../planning/driver.ts'
import type { SiteName } from '../../../stack/stack.ts'
import { walSince } from '../backup/catalogue.ts'
import { type ClusterObject, type InstanceStatus, serverNameOfPeer } from '../objects.ts'
import { type Database, incarnationFolder, siteOfCluster } from '../spec.ts'
import { parseLsn, reachFrom, SEGMENT_BYTES, segmentName } from '../wal.ts'

/** What a follower's primary has left in the archive: what a failover could still fetch, seen without asking the primary. */
export interface Upstream {
  readonly cluster: string
  readonly serverName: string
  /** Why the archive could not be read; null when it could. */
  readonly silent: string | null
  /** The newest archived segment that the follower has, or can still come to: what lies behind a hole is lost. */
  readonly newest: { readonly segment: string; readonly at: string } | null
  /** The first segment behind a hole; absent where there is none. */
  readonly beyond?: string
  /** Whether somebody is declared who may close this archive by the policy of its bucket. */
  readonly closable: boolean
}

/** An archive that hangs must not make the follower look dead: all of an observation has 3 s. */
const PATIENCE = seconds(1.5)

/** Never throws: a silent archive is a value. Null for a cluster that follows nobody. */
export async function seeUpstream(
  component: Database,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
  context: DriverContext,
): Promise<Upstream | null> {
  const primary = cluster.spec.replica?.primary
  const site = primary === undefined || primary === cluster.metadata.name ? null : siteOfCluster(component, primary)
  const serverName = primary === undefined ? null : serverNameOfPeer(cluster, primary)
  if (site === null || primary === undefined || serverName === null) return null
  const store = reachable(() => context.objectStore(component.spec.archive.store, site as SiteName))
  // A guard inside its site has no way to any archive, and needs none.
  if (typeof store === 'string') return { cluster: primary, serverName, closable: false, silent: store, newest: null }
  const { location, open } = store
  const common = { cluster: primary, serverName, closable: location.policyCredentials !== undefined }
  const position = parseLsn(instance?.replayLsn)
  if (instance === null || position === null) return { ...common, silent: null, newest: null }
  // One segment back: a follower that streams stands in one that is not shipped yet, and the one before it says when the primary shipped last.
  const behind = position < SEGMENT_BYTES ? 0n : position - SEGMENT_BYTES
  const late = (): Error => siteError('object-store-unreachable', `no answer within ${PATIENCE} ms`)
  try {
    const archived = await withinDeadline(
      PATIENCE,
      [context.signal],
      async (signal) => {
        return walSince(await open('read'), incarnationFolder(component, serverName), segmentName(instance.timeLineID, behind), {
          signal,
          deadline: PATIENCE,
        })
      },
      late,
    )
    const names = archived.map(({ name }) => name)
    const reach = reachFrom(names, position)
    const newest = reach.last ?? reachFrom(names, behind).last
    const name = newest === null ? null : segmentName(newest.timeline, newest.start)
    const at = archived.find((one) => one.name === name)?.at
    return {
      ...common,
      silent: null,
      newest: name === null || at === undefined ? null : { segment: name, at },
      ...(reach.beyond === null ? {} : { beyond: reach.beyond }),
    }
  } catch (error) {
    return { ...common, silent: asStandbyError(error).message, newest: null }
  }
}

/** What there is to be reached, or why there is nothing. */
function reachable<T extends object>(reach: () => T): T | string {
  try {
    return reach()
  } catch (error) {
    return asStandbyError(error).message
  }
}
