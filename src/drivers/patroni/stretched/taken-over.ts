import type { TakenOver } from '../../../domain/observed.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { stateAt } from '../assess/findings-of-site.ts'
import type { PatroniState } from '../observe.ts'
import { isWritable } from '../rest-api.ts'
import { type Database, isStretched } from '../spec.ts'

type States = StatesPerSite<PatroniState>

/** The lock of a cluster over all sites, as every site that sees it agrees. */
export interface HeldLock {
  readonly holder: string
  readonly site: string
  readonly since: string | null
  /** The sites whose store has confirmed it by its majority. */
  readonly seenFrom: readonly string[]
}

/** Null where no site sees a declared holder, or where the sites disagree, as amid a failover. Pure. */
export function heldLock(states: States): HeldLock | null {
  const seen = Object.keys(states).flatMap((site) => {
    const stretched = stateAt(states, site)?.stretched
    return stretched?.lock == null ? [] : [{ from: site, since: stretched.since, ...stretched.lock }]
  })
  const [first] = seen
  if (first === undefined || first.site === null || seen.some(({ holder }) => holder !== first.holder)) return null
  return { holder: first.holder, site: first.site, since: first.since, seenFrom: seen.map(({ from }) => from) }
}

/** The members that accept writes, over all sites. Pure. */
export const writersOver = (states: States): { readonly site: string; readonly name: string }[] =>
  Object.keys(states).flatMap((site) =>
    Object.entries(stateAt(states, site)?.members ?? {}).flatMap(([name, member]) =>
      isWritable(member) ? [{ site, name }] : [],
    ),
  )

/** A paused Patroni does not demote a second primary: then its lock proves nothing. Pure. */
export const isPaused = (states: States): boolean =>
  Object.keys(states).some((site) => stateAt(states, site)?.config?.pause === true)

/**
 * Where the database is, if Patroni may move it by itself: the site of the member that holds the lock and is the only
 * one that is seen to accept writes. Pure.
 */
export function takenOver({ spec }: Database, states: States): TakenOver | null {
  const lock = isStretched(spec) && !isPaused(states) ? heldLock(states) : null
  const [writer, ...others] = writersOver(states)
  if (lock === null || writer?.name !== lock.holder || writer.site !== lock.site || others.length > 0) return null
  const by = `${lock.holder} holds the lock of Patroni, as the store says on ${lock.seenFrom.join(' and ')}, and is the only member that is seen to accept writes`
  return { site: lock.site, since: lock.since, by }
}
