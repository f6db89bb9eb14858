import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { RestoreTestReport } from '../../../../src/driver/restore-test.ts'
import { backup } from '../../../../src/drivers/patroni/backup/base-backup.ts'
import { manifest } from '../../../../src/drivers/patroni/backup/manifest.ts'
import { testRestore } from '../../../../src/drivers/patroni/backup/restore-test.ts'
import { patroni } from '../../../../src/drivers/patroni/driver.ts'
import { type Manifest, newestManifest } from '../../../../src/systems/postgres/restore-manifest.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { DC_A, type MachineWithArchive, STANZA, startMachineWithArchive } from './machine-with-archive.ts'

jest.setTimeout(240_000)

let world: MachineWithArchive
/** What a restore of the first backup must contain. */
let first: Manifest
beforeAll(async () => {
  world = await startMachineWithArchive()
  world.asPostgres(`pgbackrest --stanza=${STANZA} --no-online stanza-create`)
  world.sql(`CREATE EXTENSION citext; CREATE SCHEMA audit;
CREATE TABLE orders (id int PRIMARY KEY, what citext); CREATE TABLE audit.logs (id int, said text);
INSERT INTO orders SELECT n, 'Größe ' || n FROM generate_series(1, 1000) n;`)
}, 900_000)
afterAll(() => world?.stop())
beforeEach(() => world.emptySandbox())
afterEach(() => world.emptySandbox())

const restore = (stanza = STANZA, context = world.context()): Promise<RestoreTestReport> =>
  testRestore(world.component(stanza), DC_A, world.sandbox, context)
const failing = ({ checks }: RestoreTestReport): string[] =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ id, outcome }) => `${id} ${outcome}`)

/** As `standby backup` does it: the manifest that it writes. */
async function takeBackup(begunAt: string): Promise<Manifest> {
  const taken = await world.perform(backup, { stanza: STANZA }, begunAt)
  await world.perform(manifest, { backup: 'taken' }, begunAt, taken)
  const written = await newestManifest({ name: 'database' }, STANZA, world.context())
  if (written === null) throw new Error('no manifest was written')
  return written
}

/** The archive of another stanza, made of that of the first one, with its manifest. */
async function copied(stanza: string, described: Manifest = first): Promise<void> {
  await world.copyStanza(STANZA, stanza)
  await describeAs(stanza, described)
}
const describeAs = (stanza: string, described: Manifest): Promise<void> =>
  world.context().records.write('backups', `database/${stanza}/${described.takenAt}`, {
    ...described,
    serverName: stanza,
  } as unknown as JsonObject)

/** Keys of the segments of a stanza, in order. */
const segmentsOf = async (stanza: string): Promise<string[]> =>
  (await world.store.list(`postgresql/archive/${stanza}/15-1/0000000100000000/`))
    .map(({ key }) => key)
    .filter((key) => /\/[0-9A-F]{24}-[0-9a-f]{40}/.test(key))
const nameIn = (key: string): string => key.split('/').at(-1)?.slice(0, 24) ?? ''

describe('a base backup by pgBackRest', () => {
  test('is taken on the host of the primary, found again by the process that continues, and described', async () => {
    const begunAt = new Date().toISOString()
    first = await takeBackup(begunAt)
    expect(first).toMatchObject({ serverName: STANZA, counts: { orders: 1000, 'audit.logs': 0 }, timeline: 1 })
    expect(first.bytes).toBeGreaterThan(1_000_000)
    const again = await world.perform(backup, { stanza: STANZA }, begunAt)
    expect(again.backupId).toBe(first.backupId)
    expect(world.asPostgres(`pgbackrest --stanza=${STANZA} --output=json info`).match(/"label"/g)).toHaveLength(1)
  })

  test('that pgBackRest refuses ends its step with the words of pgBackRest', async () => {
    const taking = world.perform(backup, { stanza: 'never-made' }, new Date().toISOString())
    await expect(taking).rejects.toThrow(/backup-failed.*stanza/)
    // A unit that failed is forgotten with the next backup.
    expect(world.machine.root('systemctl --failed --no-legend | grep -c standby-backup || true').trim()).toBe('1')
  })

  test('is seen by status, and so is an archive that fails', async () => {
    const state = async (stanza = STANZA) => {
      const seen = await patroni.observe(world.component(stanza), DC_A, world.context())
      if (seen.kind !== 'answering') throw new Error(seen.why)
      return seen.state
    }
    const findings = async (stanza = STANZA) =>
      patroni.assess
        .status(world.component(stanza), { 'dc-a': summary(await state(stanza)) }, world.assessment())
        .filter(({ site, code }) => site === DC_A && !code.startsWith('patroni-slot'))
        .map(({ code }) => code)
    const summary = (of: Awaited<ReturnType<typeof state>>) => ({
      kind: 'answering' as const,
      state: of,
      role: 'active' as const,
      health: 'healthy' as const,
      text: '',
      facts: [],
    })
    expect((await state()).archive).toMatchObject({ is: 'seen', failing: null, holds: { is: 'read' } })
    expect(await findings()).toEqual([])
    expect(await findings('never-made')).toEqual(['patroni-stanza-missing'])
    world.machine.root('mv /etc/pgbackrest.conf /etc/pgbackrest.kept')
    try {
      // Without anything written since the last one, no segment would end.
      world.sql("SELECT pg_create_restore_point('more'); SELECT pg_switch_wal()")
      world.sql(`DO $$ BEGIN FOR i IN 1..100 LOOP
  PERFORM pg_sleep(0.1); PERFORM pg_stat_clear_snapshot();
  EXIT WHEN (SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver);
END LOOP; END $$`)
      expect((await state()).archive).toMatchObject({ failing: expect.stringMatching(/^0{7}1/) })
    } finally {
      world.machine.root('mv /etc/pgbackrest.kept /etc/pgbackrest.conf')
    }
  })

  test('is restored with all WAL after it, judged and asked', async () => {
    world.sql(`INSERT INTO audit.logs SELECT n, 'later' FROM generate_series(1, 50) n; SELECT pg_switch_wal()`)
    await world.archived()
    const report = await restore()
    expect(failing(report)).toEqual([])
    expect(verdictOf(report.checks)).toBe('restorable')
    expect(report.checks.map(({ id }) => id)).toEqual([
      ...['newest-backup', 'page-checksums', 'wal-complete', 'backup-size', 'wal-unchanged', 'same-history'],
      ...['accepts-writes', 'same-database', 'reaches-end', 'undamaged', 'not-empty', 'extensions', 'row-counts'],
      ...['backup-age', 'restore-time'],
    ])
    expect(report.endpoint).toMatchObject({ kind: 'postgres', database: 'app', user: 'postgres' })
    // Of the copy, and not of the primary.
    const copy = await patroni.database?.sql(
      world.component(),
      world.sandbox,
      "SELECT count(*), current_setting('listen_addresses'), max(said) FROM audit.logs",
      world.context(),
    )
    expect(copy).toEqual([['50', '', 'later']])
  })
})

describe('a restore test of pgBackRest is not green', () => {
  test('without a stanza, and for one whose description is damaged', async () => {
    expect(failing(await restore('never-made'))).toEqual(['has-backup fail'])
    await copied('broken')
    for (const name of ['backup.info', 'backup.info.copy'])
      await world.store.put(`postgresql/backup/broken/${name}`, 'nothing of the kind')
    await world.emptySandbox()
    expect(failing(await restore('broken'))).toEqual(['archive-readable fail'])
  })

  test('with a wrong pass phrase, or a wrong key of the store', async () => {
    expect(failing(await restore(STANZA, world.context({ cipher: 'another' })))).toEqual(['archive-readable fail'])
    await world.emptySandbox()
    const report = await restore(STANZA, world.context({ secret: 'another-secret' }))
    expect(failing(report)).toEqual(['archive-readable fail'])
    expect(JSON.stringify(report)).not.toContain('another-secret')
  })

  test('for an archive that lacks a segment after the backup', async () => {
    await copied('hole')
    const gone = (await segmentsOf('hole')).find((key) => nameIn(key) === first.segment)
    await world.store.remove(gone ?? '')
    const report = await restore('hole')
    expect(failing(report)).toEqual(expect.arrayContaining(['wal-complete fail', 'reaches-end fail']))
  })

  test('for an archive in which two segments were exchanged', async () => {
    await copied('swapped')
    const [one = '', other = ''] = (await segmentsOf('swapped')).filter((key) => nameIn(key) >= first.segment)
    const [bytes, others] = [await world.bytesOf(one), await world.bytesOf(other)]
    await world.store.put(one, others)
    await world.store.put(other, bytes)
    const report = await restore('swapped')
    expect(failing(report)).toEqual(expect.arrayContaining(['wal-unchanged fail']))
  })

  test('for an archive that goes on with a timeline which a failover cut off, though it holds more rows', async () => {
    await copied('forked')
    world.promoteCopy('forked', `INSERT INTO orders SELECT generate_series(5000, 9000), 'never served'`)
    const report = await restore('forked')
    expect(failing(report)).toEqual(['same-history fail'])
  })

  test('for the backup of another database with the same tables and more rows', async () => {
    world.startOther('other')
    expect(failing(await restore('other'))).toEqual(['manifest inconclusive', 'same-database fail'])
  })

  test('for a store that was brought back to an earlier backup', async () => {
    await world.copyStanza(STANZA, 'older')
    world.sql("INSERT INTO orders SELECT generate_series(1001, 1500), 'new'")
    const second = await takeBackup(new Date().toISOString())
    await describeAs('older', second)
    const report = await restore('older')
    expect(failing(report)).toEqual(
      expect.arrayContaining(['newest-backup fail', 'wal-complete fail', 'reaches-end fail', 'row-counts fail']),
    )
  })

  test('for a database that was emptied', async () => {
    world.sql('TRUNCATE orders, audit.logs; SELECT pg_switch_wal()')
    await world.archived()
    expect(failing(await restore())).toEqual(['not-empty fail', 'row-counts fail'])
  })
})
