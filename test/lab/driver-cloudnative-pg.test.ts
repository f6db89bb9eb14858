import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Approval } from '../../src/domain/approval.ts'
import { componentOf, type SiteName } from '../../src/domain/stack.ts'
import type { CloudNativePgState } from '../../src/drivers/cloudnative-pg/observe.ts'
import { archiveFolder, type Database } from '../../src/drivers/cloudnative-pg/spec.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'
import { backUp } from '../../src/operations/back-up.ts'
import { deploy } from '../../src/operations/deploy.ts'
import { executeFailover } from '../../src/operations/execute-failover.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { status } from '../../src/operations/status.ts'
import { verifyBackup } from '../../src/operations/verify-backup.ts'
import { newestManifest } from '../../src/systems/postgres/restore-manifest.ts'
import { holesIn, reachesAsFar, timelineIn } from '../../src/systems/postgres/wal.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { startWriter } from '../support/database-writer.ts'
import { eventually } from '../support/eventually.ts'
import type { Behaviour } from '../support/flat/behaviour.ts'
import { cloudNativePg } from '../support/flat/drivers.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'
import { performStep, stepRun, takeStepBack } from '../support/perform-step.ts'

const MINUTES = 60_000
const CLUSTERS = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', plural: 'clusters' } as const

let db: LabDatabase
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]

beforeAll(async () => {
  db = await prepareLabDatabase(
    process.env.LAB_VERBOSE === undefined ? {} : { tell: (line) => process.stderr.write(`${line}\n`) },
  )
}, MINUTES)
afterAll(async () => db?.remove(), 2 * MINUTES)

const component = (): Database => componentOf(db.world.stack, 'database') as unknown as Database
const clusterRef = (site: string) => ({ ...CLUSTERS, namespace: db.namespace, name: db.cluster(site) })
const readCluster = async (site: string) =>
  (await db.admin(site).get(clusterRef(site))) as unknown as {
    readonly metadata: { readonly uid: string }
    readonly spec: { readonly replica: { readonly primary: string; readonly promotionToken?: string } }
    readonly status: { readonly phase: string }
  }

/** What the driver itself sees of a site's cluster. */
async function observed(site: SiteName): Promise<CloudNativePgState> {
  const seen = await cloudNativePg.observe(component(), site, db.world.context)
  if (seen.kind !== 'answering') throw new Error(`the database of ${site} does not answer`)
  return seen.state
}

async function move(to: SiteName): Promise<MoveReport> {
  const { plan, digest, executable } = await planFailover(db.world, { mode: 'switchover', to })
  expect(plan.findings.filter((finding) => finding.severity === 'blocker')).toEqual([])
  expect(executable).toBe(true)
  return executeFailover(db.world, plan, { digest } as Approval)
}

const ARCHIVE_MODE = "SELECT current_setting('archive_mode')"
/** The second switchover. */
let moved: MoveReport | null = null

/** Everything in here happens to one pair of databases, in this order. */
describe('a pair of databases on two real sites', () => {
  test(
    'the first deploy brings up the active site, backs it up, and clones the passive one from that',
    async () => {
      const report = await deploy(db.world, { dryRun: false, only: [] })
      expect(report.failure).toBeNull()
      expect(report.verdict).toBe('changed')
      // The first stream begins some seconds later.
      expect(
        report.findings.filter((finding) => finding.severity !== 'info' && finding.code !== 'not-streaming'),
      ).toEqual([])
      const [a, b] = [await readCluster('dc-a'), await readCluster('dc-b')]
      expect(a.spec.replica.primary).toBe('pg-dc-a')
      expect(b.spec.replica.primary).toBe('pg-dc-a')
      await db.sql(
        'dc-a',
        'CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE secrets (id serial PRIMARY KEY, value text);',
      )
      await db.sql(
        'dc-a',
        'CREATE TABLE ledger (id bigint PRIMARY KEY, at timestamptz DEFAULT now()); ALTER TABLE ledger OWNER TO app;',
      )
      await db.sql(
        'dc-a',
        'INSERT INTO users SELECT FROM generate_series(1, 50); INSERT INTO secrets (value) SELECT md5(i::text) FROM generate_series(1, 500) i;',
      )
    },
    8 * MINUTES,
  )

  test(
    'a second deploy changes nothing, and a dry run says so',
    async () => {
      const dry = await deploy(db.world, { dryRun: true, only: [] })
      expect(dry.units.flatMap((unit) => unit.changes)).toEqual([])
      expect((await deploy(db.world, { dryRun: false, only: [] })).verdict).toBe('unchanged')
    },
    MINUTES,
  )

  test(
    'the passive side follows by streaming, and its gap is reported in segments and bytes',
    async () => {
      await eventually(
        'dc-b to stream',
        async () => (await db.sql('dc-b', 'SELECT count(*) FROM pg_stat_wal_receiver')) === '1',
      )
      const report = await status(db.world)
      const database = report.sites.flatMap((site) => site.components).filter((one) => one.name === 'database')
      expect(database.map((one) => one.role)).toEqual(['active', 'passive'])
      expect(database[1]?.gap?.segments).toBeLessThanOrEqual(1)
      expect(report.findings).toEqual([])
    },
    MINUTES,
  )

  test(
    'a backup with its manifest restores, and every check passes',
    async () => {
      const taken = await backUp(db.world)
      expect(taken.failure).toBeNull()
      const tested = await verifyBackup(db.world, {})
      expect(tested.checks.filter((check) => check.outcome !== 'pass')).toEqual([])
      expect(tested.checks.map((check) => check.id)).toEqual(
        expect.arrayContaining(['backup-size', 'reaches-end', 'undamaged', 'row-counts']),
      )
      expect(tested.verdict).toBe('restorable')
      expect(tested.sandbox.removed).toBe(true)
    },
    8 * MINUTES,
  )

  test(
    'a switchover loses no acknowledged row, and the old side follows without being cloned again',
    async () => {
      const before = await readCluster('dc-a')
      const writer = startWriter({ ...db.access, intervalMs: 100 })
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      const report = await move(dcB)
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      const { acknowledged, longestGap } = await writer.stop()
      db.world.log.info(`write gap ${longestGap} ms, ${acknowledged.length} rows acknowledged`)
      expect(report.failure).toBeNull()
      expect(report.verdict).toBe('moved')
      const kept = new Set((await db.sql('dc-b', 'SELECT id FROM ledger')).split('\n').map(Number))
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
      expect(acknowledged.length).toBeGreaterThan(20)
      const after = await readCluster('dc-a')
      expect(after.metadata.uid).toBe(before.metadata.uid)
      expect(after.spec.replica.primary).toBe('pg-dc-b')
      expect(await db.sql('dc-a', 'SELECT pg_is_in_recovery()')).toBe('t')
      expect(await db.sql('dc-b', 'SELECT timeline_id FROM pg_control_checkpoint()')).toBe('2')
    },
    10 * MINUTES,
  )

  test('the used token does not stay on the primary that it promoted', async () => {
    const cluster = await readCluster('dc-b')
    expect(cluster.spec.replica.promotionToken ?? '').toBe('')
    expect(cluster.status.phase).toBe('Cluster in healthy state')
  })

  test(
    'the archive_timeout of the new primary is awake: a row is shipped without being asked for',
    async () => {
      await db.sql('dc-b', 'INSERT INTO users DEFAULT VALUES')
      const written = await db.sql('dc-b', 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
      const deadline = Date.now() + 60_000
      for (;;) {
        if (reachesAsFar((await observed(dcB)).instance?.lastArchivedWAL ?? '', written)) break
        if (Date.now() > deadline) throw new Error(`${written} was not shipped within a minute`)
        await new Promise((resolve) => setTimeout(resolve, 1_000))
      }
    },
    2 * MINUTES,
  )

  test(
    'a deploy after the move leaves the roles where the move put them',
    async () => {
      const dry = await deploy(db.world, { dryRun: true, only: [] })
      expect(dry.units.flatMap((unit) => unit.changes)).toEqual([])
    },
    MINUTES,
  )

  test(
    'a role that the witness does not know is refused, and not flipped',
    async () => {
      // dc-a follows dc-b; a deploy that believes in dc-a must not touch either of them.
      const deployment = {
        activeSite: dcA,
        roleOf: (site: SiteName) => (site === dcA ? 'active' : 'passive') as 'active' | 'passive',
        observed: {},
        epoch: 1,
        adopt: false,
      }
      const units = (await cloudNativePg.deploy?.(component(), dcA, deployment, db.world.context)) ?? []
      const cluster = units.find((unit) => unit.id === 'database.cluster@dc-a')
      await expect(cluster?.diff(AbortSignal.timeout(10_000))).rejects.toMatchObject({ code: 'roles-disagree' })
      expect((await readCluster('dc-a')).spec.replica.primary).toBe('pg-dc-b')
    },
    MINUTES,
  )

  test(
    'a stream that breaks amid a demotion: the end comes from the archive, and all of it can be taken back',
    async () => {
      const intent = { mode: 'switchover', from: dcB, to: dcA } as const
      const steps = cloudNativePg.move?.(component(), {}, intent, db.world.stack) ?? []
      const proofs = new Map<string, JsonObject>()
      const perform = async (action: string, back = false): Promise<void> => {
        const step = steps.find((one) => one.action === action)
        if (step === undefined) throw new Error(`no ${action}`)
        const run = stepRun(db.world, step, intent, { proofs, within: 5 * MINUTES })
        const behaviour = cloudNativePg.behaviours[action] as unknown as Behaviour | undefined
        if (back) await takeStepBack(behaviour, run, 4 * MINUTES)
        else proofs.set(step.id, (await performStep(behaviour, run)).proof)
      }
      await perform('leave-archive')
      expect(proofs.get('database.leave-archive@dc-a')).toEqual({ asksArchive: false })
      await perform('restart-ahead')
      expect(await db.sql('dc-a', ARCHIVE_MODE)).toBe('on')
      await breakStreamOf('dc-a')
      await db.sql('dc-b', 'INSERT INTO users DEFAULT VALUES')
      await perform('demote')
      await perform('catch-up')
      expect(proofs.get('database.catch-up@dc-a')).toMatchObject({ endIsHere: true })
      expect(await storesAsked('dc-a')).toContain('database-archive-dc-b')
      expect(await storesAsked('dc-b')).not.toContain('database-archive-dc-a')
      await perform('demote', true)
      expect(await db.sql('dc-b', 'INSERT INTO users DEFAULT VALUES RETURNING pg_is_in_recovery()')).toBe('f')
      expect((await readCluster('dc-b')).spec.replica.promotionToken ?? '').toBe('')
      await perform('restart-ahead', true)
      expect(await db.sql('dc-a', ARCHIVE_MODE)).toBe('always')
      await perform('leave-archive', true)
      expect(await storesAsked('dc-b')).toContain('database-archive-dc-a')
      // What was broken by hand, and nothing else, is other than declared.
      const mended = await deploy(db.world, { dryRun: false, only: [] })
      expect(mended.units.filter((unit) => unit.changes.length > 0).map((unit) => unit.id)).toEqual([
        'database.cluster@dc-a',
      ])
    },
    6 * MINUTES,
  )

  test(
    'and back: the second switchover is like the first',
    async () => {
      // The archive of the passive side has to follow the timeline that taking back began.
      await expectNoBlockers(dcA)
      const report = await move(dcA)
      moved = report
      expect(report.failure).toBeNull()
      expect((await readCluster('dc-a')).spec.replica.primary).toBe('pg-dc-a')
      expect(await db.sql('dc-b', 'SELECT pg_is_in_recovery()')).toBe('t')
    },
    10 * MINUTES,
  )

  test(
    'it restarted while users were served, not after its promotion, and nothing is missing in its archive for that',
    async () => {
      const shutOut = moved?.steps.find(({ id }) => id === 'database.demote@dc-b')?.begunAt ?? ''
      expect(Date.parse(await db.sql('dc-a', 'SELECT pg_postmaster_start_time()'))).toBeLessThan(Date.parse(shutOut))
      expect(await db.sql('dc-a', "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'")).toBe('0')
      const files = (await db.archive('dc-a').list(`${archiveFolder(component())}pg-dc-a-g1/wals/`)).map(({ key }) =>
        (key.split('/').at(-1) ?? '').replace(/\.gz$/, ''),
      )
      const archived = files.filter((name) => timelineIn(name) !== null).sort()
      const timelines = new Set(archived.map((name) => name.slice(0, 8)))
      expect(timelines.size).toBeGreaterThan(2)
      // A restore asks for one history after the other, and ends on the timeline before the first that it does not
      // find.
      expect(files.filter((name) => name.endsWith('.history')).map((name) => name.slice(0, 8))).toEqual(
        [...timelines].slice(1),
      )
      const segments = (await observed(dcA)).segmentBytes
      if (segments === null) throw new Error('its metrics do not say how long its WAL segments are')
      expect(holesIn(archived, archived[0] ?? '', segments)).toEqual([])
    },
    MINUTES,
  )

  test(
    'a base backup that was cut is not restorable, and the verdict does not take twelve minutes',
    async () => {
      const store = db.archive('dc-a')
      const data = (await store.list(`${archiveFolder(component())}pg-dc-a-g1/base/`))
        .filter((object) => object.key.endsWith('data.tar'))
        .at(-1)
      if (data === undefined) throw new Error('no data.tar')
      await store.put(data.key, new Uint8Array(Math.floor(data.bytes / 2)))
      const begun = Date.now()
      const tested = await verifyBackup(db.world, {})
      expect(tested.verdict).toBe('not-restorable')
      expect(tested.checks.filter((check) => check.outcome === 'fail').map((check) => check.id)).toEqual(
        expect.arrayContaining(['backup-size', 'restores']),
      )
      expect(Date.now() - begun).toBeLessThan(4 * MINUTES)
      expect(tested.sandbox.removed).toBe(true)
    },
    6 * MINUTES,
  )

  test(
    'a hole in the WAL is not restorable, although the restore itself succeeds',
    async () => {
      expect((await backUp(db.world)).failure).toBeNull()
      await db.sql('dc-a', 'INSERT INTO users DEFAULT VALUES; SELECT pg_switch_wal();')
      await db.sql('dc-a', 'INSERT INTO users DEFAULT VALUES; SELECT pg_switch_wal();')
      await eventually(
        'all to be archived',
        async () =>
          (await db.sql('dc-a', "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) === '0',
      )
      const store = db.archive('dc-a')
      const record = await newestManifest(component(), 'pg-dc-a-g1', db.world.context)
      const lost = (await store.list(`${archiveFolder(component())}pg-dc-a-g1/wals/`)).find((object) =>
        object.key.includes(String(record?.segment)),
      )
      if (lost === undefined) throw new Error('the segment of the manifest is not archived')
      await store.remove(lost.key)
      const tested = await verifyBackup(db.world, {})
      expect(tested.verdict).toBe('not-restorable')
      const failed = tested.checks.filter((check) => check.outcome === 'fail').map((check) => check.id)
      expect(failed).toEqual(expect.arrayContaining(['wal-complete', 'reaches-end']))
      expect(tested.checks.map((check) => check.id)).not.toContain('restores')
    },
    8 * MINUTES,
  )

  test(
    'an empty database is not restorable, although it is healthy',
    async () => {
      expect((await backUp(db.world)).failure).toBeNull()
      await db.sql('dc-a', 'TRUNCATE users, secrets; SELECT pg_switch_wal();')
      await eventually(
        'all to be archived',
        async () =>
          (await db.sql('dc-a', "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) === '0',
      )
      const tested = await verifyBackup(db.world, {})
      expect(tested.verdict).toBe('not-restorable')
      expect(tested.checks.filter((check) => check.outcome === 'fail').map((check) => check.id)).toEqual([
        'not-empty',
        'row-counts',
      ])
    },
    8 * MINUTES,
  )
})

interface Peer {
  readonly name: string
  readonly connectionParameters?: object
  readonly plugin?: { readonly parameters: { readonly barmanObjectName: string } }
}
async function peersOf(site: string): Promise<readonly Peer[]> {
  const { spec } = (await db.admin(site).get(clusterRef(site))) as unknown as {
    readonly spec: { readonly externalClusters: Peer[] }
  }
  return spec.externalClusters
}
/** The object stores that a cluster would ask for the WAL of others. */
const storesAsked = async (site: string): Promise<string[]> =>
  (await peersOf(site)).map(({ plugin }) => plugin?.parameters.barmanObjectName ?? '')

/** Lets a cluster look for the other one where no server listens. */
async function breakStreamOf(site: string): Promise<void> {
  const externalClusters = (await peersOf(site)).map((peer) =>
    peer.connectionParameters === undefined
      ? peer
      : { ...peer, connectionParameters: { ...peer.connectionParameters, port: '1' } },
  )
  await db.admin(site).patch(clusterRef(site), { spec: { externalClusters } })
  await eventually(
    `${site} not to stream`,
    async () => (await db.sql(site, 'SELECT count(*) FROM pg_stat_wal_receiver')) === '0',
  )
}

async function expectNoBlockers(to: SiteName): Promise<void> {
  await eventually(
    'an executable plan',
    async () => (await planFailover(db.world, { mode: 'switchover', to })).executable,
  )
}
