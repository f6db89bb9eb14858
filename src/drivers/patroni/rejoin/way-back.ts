import { isObject } from '../../../values/json.ts'
import { partedAt } from '../history.ts'
import type { PatroniState } from '../observe.ts'
import { answeringIn, headOf, writerIn } from '../observe.ts'

/**
 * How a former active site becomes a passive one. `follows`: it does already. `redirect`: it is a sound standby cluster
 * of another site. `rewind`: pg_rewind takes back what it alone has, from its own files. `clone`: it is copied anew.
 */
export type WayBack = 'follows' | 'redirect' | 'rewind' | 'clone'

/**
 * Chosen by histories, and never by the roles of members. Patroni rewinds a server only if the number of its timeline
 * is not that of the primary (`_check_timeline_and_lsn` in rewind.py): a site that promoted itself to the same number
 * is never rewound, runs as a standby leader, and keeps its rows. Pure.
 */
export function wayBack(active: PatroniState, former: PatroniState, activeSite: string): WayBack {
  const writer = writerIn(active)
  const timeline = timelineOf(former)
  const parted = partedAt(former.history, active.history) !== null
  const isPassive = former.follows !== null && answeringIn(former).every(({ writesAt }) => writesAt === null)
  const head = headOf(former)
  if (isPassive && head !== null && !parted && timeline !== null && timeline <= (writer?.timeline ?? 0)) {
    if (former.follows === activeSite && head.replication === 'streaming' && timeline === writer?.timeline)
      return 'follows'
    // It was left behind by a move, and has nothing that the active site lacks.
    if (former.follows !== activeSite && !isBeyondFork(active, timeline, head.receivedAt ?? 0)) return 'redirect'
  }
  const postgresql = isObject(former.config?.postgresql) ? former.config.postgresql : {}
  // Once it was made to follow, a site that does not stream was rewound in vain, or not at all.
  const wasTried = former.follows === activeSite
  const mayRewind = postgresql.use_pg_rewind === true && !wasTried && !parted
  return mayRewind && timeline !== null && writer?.timeline != null && timeline < writer.timeline ? 'rewind' : 'clone'
}

/** The highest timeline of any server of a site, running or stopped; null where none says. */
function timelineOf({ members, stopped }: PatroniState): number | null {
  const all = [
    ...Object.values(members).flatMap((member) => (member.is === 'answering' ? (member.timeline ?? []) : [])),
    ...Object.values(stopped).map(({ timeline }) => timeline),
  ]
  return all.length === 0 ? null : Math.max(...all)
}

/** Whether a position lies after the one at which the active site left that timeline. */
function isBeyondFork({ history }: PatroniState, timeline: number, position: number): boolean {
  const left = history.find(([line]) => line === timeline)
  return left !== undefined && position > left[1]
}
