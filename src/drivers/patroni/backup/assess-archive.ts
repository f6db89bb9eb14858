import type { Finding } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { timelineIn } from '../../../systems/postgres/wal.ts'
import { blocks, type Purpose } from '../assess/severities.ts'
import { codes } from '../codes.ts'
import { headOf, type PatroniState } from '../observe.ts'
import type { Database } from '../spec.ts'

type Around = Pick<Assessment, 'now' | 'objectives' | 'activeSite'>

/**
 * Whether a site can archive, now or as the active one, and whether the active one has a recent backup. `timeline`: of
 * the active site; null where it is not known. Pure.
 */
export function findingsOfArchive(
  component: Database,
  site: string,
  state: PatroniState,
  purpose: Purpose,
  { timeline, ...around }: Around & { readonly timeline: number | null },
): Finding[] {
  const { archive } = state
  if (archive === undefined) return []
  const say = (
    code: 'archiving-failing' | 'archive-forked' | 'no-backup' | 'backup-old' | SilentOrMissing,
    what: string,
    next: string,
  ) => codes.finding(code, component, { severity: blocks(code, purpose), site, what, next })
  const check = `pgbackrest --stanza=${archive.stanza} check`
  if (archive.is === 'silent' || archive.holds.is === 'unreachable' || archive.holds.is === 'unreadable') {
    const why = archive.is === 'silent' ? archive.why : archive.holds.said
    return [
      {
        ...say(
          'patroni-archive-silent',
          `pgBackRest does not say how the archive of ${state.cluster} is: ${why}`,
          `On a host of ${site}: ${check}`,
        ),
        unanswered: true,
      },
    ]
  }
  const { holds, failing, stanza } = archive
  const systemId = headOf(state)?.systemId ?? null
  if (holds.is === 'missing' || (systemId !== null && holds.systemId !== null && holds.systemId !== systemId))
    return [
      say(
        'patroni-stanza-missing',
        holds.is === 'missing'
          ? `the stanza ${stanza} of ${state.cluster} does not exist (${holds.said})`
          : `the stanza ${stanza} is of the database ${holds.systemId}, and ${state.cluster} of ${systemId}`,
        holds.is === 'missing'
          ? `On a host of ${site}: pgbackrest --stanza=${stanza} --no-online stanza-create`
          : `Give ${site} a stanza of its own (backups.stanzas, and the configuration of its hosts).`,
      ),
    ]
  return [
    ...(failing === null
      ? []
      : [
          say(
            'archiving-failing',
            `${state.cluster} cannot archive its WAL: ${failing} failed last`,
            `On the host of its primary: ${check}`,
          ),
        ]),
    ...forkedArchive(site, holds.newestWal, timeline, around).map((found) =>
      say(
        'archive-forked',
        `the stanza ${stanza} holds ${found}, which the history of ${around.activeSite} lacks: as the active one ${site} might not archive under that name, and a restore would follow it`,
        `Give ${site} a new stanza (backups.stanzas, and the configuration of its hosts), then take a backup once it is active.`,
      ),
    ),
    ...ofBackups(site, state, around).map(([code, what]) => say(code, what, 'Run: standby backup')),
  ]
}
type SilentOrMissing = 'patroni-archive-silent' | 'patroni-stanza-missing'

/**
 * A segment that only a former history of the site can have left: a passive site archives nothing, and the active one
 * nothing beyond its own timeline.
 */
function forkedArchive(
  site: string,
  newestWal: string | null,
  timeline: number | null,
  { activeSite }: Pick<Around, 'activeSite'>,
): string[] {
  const newest = newestWal === null ? null : timelineIn(newestWal)
  if (newestWal === null || newest === null || timeline === null || activeSite === null) return []
  return newest > timeline || (newest === timeline && site !== activeSite) ? [newestWal] : []
}

function ofBackups(
  site: string,
  { archive, cluster }: PatroniState,
  { now, objectives, activeSite }: Around,
): (readonly ['no-backup' | 'backup-old', string])[] {
  if (site !== activeSite || archive?.is !== 'seen') return []
  const last = archive.holds.backups.at(-1)
  if (last === undefined) return [['no-backup', `${cluster} has no completed backup in its stanza ${archive.stanza}`]]
  return Date.parse(now) - Date.parse(last.endedAt) > objectives.backupAge
    ? [['backup-old', `the last backup of ${cluster} ended at ${last.endedAt}`]]
    : []
}
