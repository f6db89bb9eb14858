import { firstServerName, nextServerName } from '../spec.ts'
import type { ArchiveContent, Elsewhere, Situation } from './begin-situation.ts'

export type Beginning =
  /** It is repeated as it is declared. */
  | { readonly do: 'keep' }
  | { readonly do: 'adopt' }
  /** An empty database: only where no trace of an earlier one can be found. */
  | { readonly do: 'create empty' }
  /** A copy of the active one, which archives under this name. */
  | { readonly do: 'clone'; readonly serverName: string }
  | { readonly do: 'refuse'; readonly code: Refusal; readonly what: string; readonly next: string }

export type Refusal =
  | 'active-database-missing'
  | 'witness-emptied'
  | 'archive-not-empty'
  | 'archive-unread'
  | 'another-database'
  | 'made-by-others'
  | 'cluster-leaving'

interface Row {
  /** As the page of the driver prints it. */
  readonly when: string
  readonly outcome: string
  readonly applies: (situation: Situation) => boolean
  readonly beginning: (situation: Situation) => Beginning
}

/** The first row that applies decides. Printed in docs/drivers/cloudnative-pg.md. */
export const BEGINNINGS: readonly Row[] = [
  {
    when: 'the Cluster is being deleted',
    outcome: 'refused: `cluster-leaving`',
    applies: ({ standing }) => standing.is === 'leaving',
    beginning: ({ cluster, site }) =>
      refuse(
        'cluster-leaving',
        `${cluster} on ${site} is being deleted`,
        `Wait until it is gone, or find out what holds it, and deploy again.`,
      ),
  },
  {
    when: 'the Cluster was made by other hands, and the deploy has no --adopt',
    outcome: 'refused: `made-by-others`',
    applies: ({ standing, adopt }) => standing.is === 'others' && !adopt,
    beginning: ({ cluster, site }) =>
      refuse(
        'made-by-others',
        `${cluster} on ${site} exists, and no deploy of this stack made it`,
        'To take it over with its data: standby deploy --adopt --dry-run shows what would differ. Else give the cluster of the stack another name.',
      ),
  },
  {
    when: 'the Cluster is there, and the witness names no active site, though a deploy made it',
    outcome: 'refused: `witness-emptied`',
    applies: ({ standing, epoch }) => standing.is === 'ours' && epoch === null,
    beginning: ({ cluster, site }) => emptied(`${cluster} on ${site}`),
  },
  {
    when: 'the Cluster of the active site has another system id than the one on record, or than a copy on another site',
    outcome: 'refused: `another-database`',
    applies: (situation) => situation.role === 'active' && otherSystem(situation) !== null,
    beginning: (situation) => {
      const { cluster, site } = situation
      return refuse(
        'another-database',
        `${cluster} on ${site} is another database than ${otherSystem(situation)}: it was made anew`,
        copyAt(situation) === null
          ? 'Find out which one holds your data before anything is changed; the archive still has the earlier one.'
          : `Find out which one holds your data before anything is changed. To go on with the copy: standby failover plan --mode failover --to ${copyAt(situation)}`,
      )
    },
  },
  {
    when: 'the Cluster of a passive site was made by other hands, and is no copy of the active one by its system id',
    outcome: 'refused: `made-by-others`',
    applies: (situation) =>
      situation.role === 'passive' && situation.standing.is === 'others' && !isCopyOfActive(situation),
    beginning: (situation) => {
      const { cluster, site, standing, elsewhere } = situation
      const what = `${cluster} on ${site} was made by other hands, and is no copy of the active database`
      // It may be the only copy: no advice to delete it.
      const only = standing.is === 'others' && standing.primary && !elsewhere.some(({ holds }) => holds === 'primary')
      return refuse(
        'made-by-others',
        only ? `${what}: it takes writes, and no other site has one` : what,
        only
          ? serves(situation, site)
          : 'Only a copy can be adopted on a passive site. Keep what it holds, delete it, and deploy: it is cloned from the active one.',
      )
    },
  },
  {
    when: 'the Cluster was made by other hands, and the deploy adopts',
    outcome: 'adopted: its data, name, archive and settings stay',
    applies: ({ standing }) => standing.is === 'others',
    beginning: () => ({ do: 'adopt' }),
  },
  {
    when: 'the Cluster is there',
    outcome: 'kept: role, bootstrap and archive are repeated as they are',
    applies: ({ standing }) => standing.is === 'ours',
    beginning: () => ({ do: 'keep' }),
  },
  {
    when: 'there is no Cluster on a passive site, and its archive does not say what it holds',
    outcome: 'refused: `archive-unread`',
    applies: ({ role, archive }) => role === 'passive' && archive.is === 'unknown',
    beginning: ({ cluster, site, archive }) => unread(cluster, site, archive),
  },
  {
    when: 'there is no Cluster on a passive site',
    outcome: 'cloned from the active one, under a name that its archive has never held',
    applies: ({ role }) => role === 'passive',
    beginning: (situation) => ({ do: 'clone', serverName: unusedName(situation) }),
  },
  {
    when: 'there is no Cluster on the active site, and a trace of an earlier one; the stack was deployed before',
    outcome: 'refused: `active-database-missing`',
    applies: (situation) => situation.epoch !== null && tracesOf(situation).length > 0,
    beginning: (situation) => missing(situation),
  },
  {
    when: 'there is no Cluster on the active site, the witness names no active site, and another site has a database that other hands made',
    outcome: 'refused: `made-by-others`',
    applies: (situation) => situation.onRecord.is !== 'a backup' && onlyMadeByOthers(situation),
    beginning: (situation) =>
      refuse(
        'made-by-others',
        `${situation.cluster} on ${situation.site} would begin empty, and ${tracesOf(situation).join('; ')}, made by other hands`,
        serves(
          situation,
          lives(situation).find(({ holds }) => holds === 'primary')?.site ??
            lives(situation)[0]?.site ??
            situation.site,
        ),
      ),
  },
  {
    when: 'there is no Cluster on the active site, the witness names no active site, and another site has a database of this stack, or the witness a record of one',
    outcome: 'refused: `witness-emptied`',
    applies: (situation) => lives(situation).length > 0 || situation.onRecord.is === 'a backup',
    beginning: (situation) => emptied(tracesOf(situation).join('; ')),
  },
  {
    when: 'there is no Cluster on the active site, the witness names no active site, and an archive or Backup of that name is there',
    outcome: 'refused: `archive-not-empty`',
    applies: (situation) => tracesOf(situation).length > 0,
    beginning: (situation) =>
      refuse(
        'archive-not-empty',
        `${situation.cluster} would begin empty, and there is an earlier one: ${tracesOf(situation).join('; ')}`,
        'Restore it from there, and adopt it (docs/adopting.md). To begin anew, declare another archive.prefix, or another name for the cluster.',
      ),
  },
  {
    when: 'there is no Cluster on the active site, and the archive, the witness or another site does not say what it holds',
    outcome: 'refused: `archive-unread`',
    applies: (situation) => unknownsOf(situation).length > 0,
    beginning: (situation) =>
      refuse(
        'archive-unread',
        `${situation.cluster} would begin empty, and it is unknown whether there is an earlier one: ${unknownsOf(situation).join('; ')}`,
        'Bring what is silent to answer, and deploy again.',
      ),
  },
  {
    when: 'there is no Cluster on the active site, and no trace of an earlier one anywhere',
    outcome: 'created empty: the first deploy, or a database that is new to the stack',
    applies: () => true,
    beginning: () => ({ do: 'create empty' }),
  },
]

/** How the database of one site begins, or why it must not. Pure. */
export function beginningOf(situation: Situation): Beginning {
  const row = BEGINNINGS.find(({ applies }) => applies(situation))
  if (row === undefined) throw new Error('the last row applies to everything')
  return row.beginning(situation)
}

/** Everything that shows that a database of this name has lived: each of them forbids an empty one. Pure. */
export function tracesOf(situation: Situation): string[] {
  const { cluster, site, archive, backups, onRecord } = situation
  const named = backups.length === 1 ? 'the Backup' : 'the Backups'
  return [
    ...lives(situation).map(
      (one) => `${one.cluster} on ${one.site} holds ${one.holds === 'copy' ? 'a copy' : 'a database'}`,
    ),
    ...(archive.is === 'read' && archive.names.length > 0
      ? [`the archive of ${site} holds ${archive.names.join(', ')}`]
      : []),
    ...(backups.length > 0 ? [`${named} ${some(backups)} of ${cluster}`] : []),
    ...(onRecord.is === 'a backup' ? ['the witness has the record of a backup'] : []),
  ]
}

/**
 * The name under which a new database archives: the expected one as long as its archive has nothing of it, else one
 * that was never used.
 */
export function unusedName({
  cluster,
  archive,
  knownAs,
  expected,
}: Pick<Situation, 'cluster' | 'archive' | 'knownAs' | 'expected'>): string {
  const used = archive.is === 'read' ? archive.names : []
  if (expected !== null && !used.includes(expected)) return expected
  const known = knownAs === null ? used : [...used, knownAs]
  return known.length === 0 ? firstServerName(cluster) : nextServerName(cluster, known)
}

const refuse = (code: Refusal, what: string, next: string): Beginning => ({
  do: 'refuse',
  code,
  what,
  next: `Nothing was changed. ${next}`,
})

const emptied = (what: string): Beginning =>
  refuse(
    'witness-emptied',
    `the witness names no active site, and there is what a deploy of this stack made: ${what}`,
    'Put active.json back as it was: docs/witness.md says how. A first deploy would name the active site and the epoch anew.',
  )

/** Advice for the case that the wrong site is named as the active one. */
const serves = ({ epoch }: Situation, site: string): string =>
  epoch === null
    ? `If ${site} is the site that serves, name it as initialActive, and adopt what it has: standby deploy --adopt --dry-run.`
    : 'Find out which site holds your data before anything is changed or deleted.'

const onlyMadeByOthers = (situation: Situation): boolean =>
  situation.epoch === null && lives(situation).length > 0 && lives(situation).every(({ madeBy }) => madeBy === 'others')

const unread = (cluster: string, site: string, archive: ArchiveContent): Beginning =>
  refuse(
    'archive-unread',
    `it is unknown what the archive of ${cluster} on ${site} holds: ${archive.is === 'unknown' ? archive.why : ''}`,
    'Bring the object store of the site to answer, and deploy again: two histories in one folder make both unrestorable.',
  )

function missing(situation: Situation): Beginning {
  const { cluster, site, archive } = situation
  const to = copyAt(situation)
  const archived = archive.is === 'unknown' || archive.names.length > 0 || situation.backups.length > 0
  const restore = `Restore it from the archive of ${site}, and adopt it: docs/drivers/cloudnative-pg.md#when-the-active-database-is-gone`
  return refuse(
    'active-database-missing',
    `there is no Cluster ${cluster} on ${site}, the active site, and there was one: ${tracesOf(situation).join('; ')}. A deploy would make an empty one`,
    adviceFor(to, archived ? restore : null),
  )
}

/** `to`: the site that has a copy; `restore`: how to restore from the archive, where there is one. */
function adviceFor(to: string | null, restore: string | null): string {
  if (to === null) return restore ?? 'Find out where its data are before anything is made in its place.'
  const copy = `Go on with the copy: standby failover plan --mode failover --to ${to}`
  return restore === null ? copy : `${copy}. Or: ${restore}`
}

const lives = ({ elsewhere }: Situation): Elsewhere[] =>
  elsewhere.filter(({ holds }) => holds === 'copy' || holds === 'primary')

/** The site that a failover can go to. */
const copyAt = (situation: Situation): string | null =>
  lives(situation).find(({ site }) => site !== situation.site)?.site ?? null

function unknownsOf({ archive, onRecord, elsewhere }: Situation): string[] {
  return [
    ...(archive.is === 'unknown' ? [`the archive: ${archive.why}`] : []),
    ...(onRecord.is === 'unknown' ? [`the witness: ${onRecord.why}`] : []),
    ...elsewhere.filter(({ holds }) => holds === 'unknown').map(({ site, cluster }) => `${cluster} on ${site}`),
  ]
}

/** Against which system id the active one stands; null while nothing contradicts it. */
function otherSystem({ standing, onRecord, elsewhere }: Situation): string | null {
  if ((standing.is !== 'ours' && standing.is !== 'others') || standing.systemId === null) return null
  if (onRecord.is === 'a backup' && onRecord.systemId !== null && onRecord.systemId !== standing.systemId)
    return `the one on record (system id ${onRecord.systemId}, not ${standing.systemId})`
  const copy = elsewhere.find(
    ({ holds, systemId }) => holds === 'copy' && systemId !== null && systemId !== standing.systemId,
  )
  return copy === undefined
    ? null
    : `${copy.cluster} on ${copy.site} (system id ${copy.systemId}, not ${standing.systemId})`
}

const isCopyOfActive = ({ standing, elsewhere }: Situation): boolean =>
  standing.is === 'others' &&
  !standing.primary &&
  standing.systemId !== null &&
  elsewhere.some(({ holds, systemId }) => holds === 'primary' && systemId === standing.systemId)

const some = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
