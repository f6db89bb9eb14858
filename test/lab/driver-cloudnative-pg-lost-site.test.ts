import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mintKubeconfig } from '../../lab/environment.ts'
import type { KubernetesClient } from '../../src/clients/kubernetes-client.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import type { Approval } from '../../src/domain/approval.ts'
import type { Identity } from '../../src/domain/identities.ts'
import type { BySite } from '../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import { componentOf, type SiteName } from '../../src/domain/stack.ts'
import { isClosed, openFolder } from '../../src/drivers/cloudnative-pg/failover/archive-policy.ts'
import { unavailable } from '../../src/drivers/cloudnative-pg/failover/stopped-instances.ts'
import { type InstanceStatus, readInstance } from '../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgState } from '../../src/drivers/cloudnative-pg/observe.ts'
import type { Database } from '../../src/drivers/cloudnative-pg/spec.ts'
import { deploy } from '../../src/operations/deploy.ts'
import { executeFailover } from '../../src/operations/execute-failover.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { status } from '../../src/operations/status.ts'
import { sequenceOf } from '../../src/planning/order-steps.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { readActive, replaceActive } from '../../src/witness/active.ts'
import { eventually } from '../support/eventually.ts'
import type { Behaviour, FlatRun } from '../support/flat/behaviour.ts'
import { cloudNativePg } from '../support/flat/drivers.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'
import { performStep, stepRun, takeStepBack } from '../support/perform-step.ts'

const MINUTES = 60_000
const [dcA, dcB] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const failover: Intent = { mode: 'failover', from: dcA, to: dcB }
const rejoin: Intent = { mode: 'rejoin', from: dcB, to: dcA }

const ending = new AbortController()
let db: LabDatabase
beforeAll(async () => {
  db = await prepareLabDatabase(
    process.env.LAB_VERBOSE === undefined ? {} : { tell: (line) => process.stderr.write(`${line}\n`) },
  )
}, MINUTES)
afterAll(async () => {
  ending.abort()
  if (db === undefined) return
  // All tests share the bucket: the test removes its own statement.
  const closed = closedFolder()
  const policy = await bucket().policy()
  if (isClosed(policy, closed)) await bucket().putPolicy(openFolder(policy, closed))
  await db.remove()
}, 2 * MINUTES)

const component = (): Database => componentOf(db.world.stack, 'database') as unknown as Database
const bucket = () =>
  openObjectStore({
    endpoint: db.lab.s3.endpoint,
    region: db.lab.s3.region,
    bucket: 'infisical-dc-a',
    prefix: '',
    ...db.lab.s3.root,
  })
const closedFolder = () => ({
  bucket: 'infisical-dc-a',
  region: db.lab.s3.region,
  folder: `${db.name}/postgresql/pg-dc-a-g1/`,
})

const statesNow = async (): Promise<BySite<CloudNativePgState>> =>
  ((await db.world.observe()).components.database ?? {}) as BySite<CloudNativePgState>

const proofs = new Map<string, JsonObject>()
const runOf = (step: PlannedStep, intent: Intent): FlatRun =>
  stepRun(db.world, step, intent, { proofs, within: 8 * MINUTES })
const behaviourOf = (step: PlannedStep): Behaviour => cloudNativePg.behaviours[step.action] as unknown as Behaviour

/** One step after another, as a run performs them. */
async function perform(steps: readonly PlannedStep[], intent: Intent): Promise<void> {
  for (const step of sequenceOf(steps)) {
    const begun = Date.now()
    const { outcome, proof } = await performStep(behaviourOf(step), runOf(step, intent), 5 * MINUTES)
    proofs.set(step.id, proof)
    db.world.log.info(`${step.id} ${outcome} after ${Date.now() - begun} ms: ${JSON.stringify(proof).slice(0, 1_500)}`)
  }
}
const inPod = async (command: string): Promise<void> => {
  const { code, stderr } = await db
    .admin('dc-a')
    .exec({ namespace: db.namespace, name: 'pg-dc-a-1', container: 'postgres' }, ['sh', '-c', command])
  if (code !== 0) throw new Error(stderr)
}

/** A client of dc-a with the rights that an identity has there to this database, and no others. */
async function accountOf(identity: Identity): Promise<KubernetesClient> {
  const admin = db.admin('dc-a')
  const rules = cloudNativePg.access(component(), db.world.stack).flatMap((rule) => {
    if (
      rule.kind !== 'kubernetes' ||
      rule.identity !== identity ||
      rule.site !== dcA ||
      rule.namespace !== db.namespace
    )
      return []
    const { apiGroups, resources, verbs, resourceNames } = rule
    return [{ apiGroups, resources, verbs, ...(resourceNames === undefined ? {} : { resourceNames }) }]
  })
  const metadata = { name: `test-${identity}`, namespace: db.namespace }
  const group = 'rbac.authorization.k8s.io'
  await admin.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  await admin.apply({ apiVersion: `${group}/v1`, kind: 'Role', metadata, rules })
  await admin.apply({
    apiVersion: `${group}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: group, kind: 'Role', name: metadata.name },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  })
  const kubeconfig = await mintKubeconfig('dc-a', metadata.name, db.namespace)
  return openKubernetes({ site: dcA, kubeconfig, signal: ending.signal })
}
/** The places of the rows that the lost side inserted on its own. */
let onlyThere = ''
const counted = (site: string, table: string): Promise<string> => db.sql(site, `SELECT count(*) FROM ${table}`)
const archived = async (): Promise<number> => (await db.archive('dc-a').list('postgresql/pg-dc-a-g1/wals/')).length

/**
 * Everything in here happens to one pair of databases, in this order. dc-a is never touched by a failover: it goes on
 * as a site that is cut off would.
 */
describe('a database whose site is lost', () => {
  test(
    'is deployed, and the passive side sees the active one alive by its stream',
    async () => {
      expect((await deploy(db.world, { dryRun: false, only: [] })).failure).toBeNull()
      await db.sql(
        'dc-a',
        'CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE secrets (id serial PRIMARY KEY, value text);',
      )
      await db.sql('dc-a', 'INSERT INTO users SELECT FROM generate_series(1, 50)')
      await eventually(
        'dc-b to stream',
        async () => (await db.sql('dc-b', 'SELECT count(*) FROM pg_stat_wal_receiver')) === '1',
      )
      await eventually('the rows on dc-b', async () => (await counted('dc-b', 'users')) === '50')
      expect(cloudNativePg.sees?.(component(), await statesNow(), dcA)).toMatchObject([{ says: 'up' }])
      expect(cloudNativePg.sees?.(component(), await statesNow(), dcB)).toEqual([])
    },
    8 * MINUTES,
  )

  test(
    'is fenced with proof: the server is gone, a restarted pod starts none; and taken back it serves again',
    async () => {
      const [step, ...more] = cloudNativePg.fence?.(component(), await statesNow(), failover, db.world.stack) ?? []
      if (step === undefined || more.length > 0) throw new Error('one step was expected')
      expect(step).toMatchObject({ site: 'dc-a', phase: 'FENCE', fence: 'database' })
      const { proof } = await performStep(behaviourOf(step), runOf(step, failover))
      expect(proof).toMatchObject({ annotation: '["*"]', state: 'shut down' })
      db.world.log.info(JSON.stringify(proof))
      await expect(db.sql('dc-a', 'INSERT INTO users DEFAULT VALUES')).rejects.toThrow()

      const pod = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace: db.namespace, name: 'pg-dc-a-1' }
      const uidOf = async () => (await db.admin('dc-a').get(pod))?.metadata.uid
      const before = await uidOf()
      await db.admin('dc-a').remove(pod)
      await eventually('another pod', async () => ![undefined, before].includes(await uidOf()))
      await eventually(
        `${step.id} to be done`,
        async () => (await behaviourOf(step).done(runOf(step, failover))).is === 'done',
        2 * MINUTES,
      )
      await expect(db.sql('dc-a', 'INSERT INTO users DEFAULT VALUES')).rejects.toThrow()

      await takeStepBack(behaviourOf(step), runOf(step, failover), 2 * MINUTES)
      await eventually(
        'dc-a to take writes',
        async () => (await db.sql('dc-a', 'SELECT pg_is_in_recovery()').catch(() => '')) === 'f',
      )
    },
    6 * MINUTES,
  )

  test.each(['mover', 'guard'] as const)(
    'is fenced by the %s also where PostgreSQL starts in the very moment in which its instance manager hears of the fence, and finds none to stop',
    async (identity) => {
      const [step] = cloudNativePg.fence?.(component(), await statesNow(), failover, db.world.stack) ?? []
      if (step === undefined) throw new Error('no fence')
      const kubernetes = await accountOf(identity)
      const run = runOf(step, failover)
      const instance = () => readInstance(kubernetes, db.namespace, 'pg-dc-a-1', run.signal)
      // In that moment there is no PID file yet. (One that is missing for longer ends PostgreSQL; one that nobody may
      // read does not.)
      await inPod('chmod 000 "$PGDATA/postmaster.pid"')
      const fenced = performStep(
        behaviourOf(step),
        { ...run, context: { ...run.context, kubernetes: () => kubernetes } },
        3 * MINUTES,
      )
      await eventually(
        'an instance that may be unavailable',
        async () => (await instance())?.mightBeUnavailable === true,
      ).finally(() => inPod('chmod 600 "$PGDATA/postmaster.pid"'))
      expect(await db.sql('dc-a', 'SELECT pg_is_in_recovery()')).toBe('f')
      const { proof } = await fenced
      db.world.log.info(JSON.stringify(proof))
      expect(proof).toMatchObject({ annotation: '["*"]', state: identity === 'guard' ? null : 'shut down' })
      await eventually(
        'an instance that is unavailable',
        async () => unavailable((await instance()) ?? ({} as InstanceStatus)) !== null,
        2 * MINUTES,
      )
      await expect(db.sql('dc-a', 'INSERT INTO users DEFAULT VALUES')).rejects.toThrow()

      await takeStepBack(behaviourOf(step), runOf(step, failover), 2 * MINUTES)
      await eventually(
        'dc-a to take writes',
        async () => (await db.sql('dc-a', 'SELECT pg_is_in_recovery()').catch(() => '')) === 'f',
        2 * MINUTES,
      )
    },
    6 * MINUTES,
  )

  test(
    'has its archive closed by the policy of the bucket, and opened again when the move is taken back',
    async () => {
      const steps = cloudNativePg.move?.(component(), await statesNow(), failover, db.world.stack) ?? []
      const step = steps.find((one) => one.action === 'close-archive')
      if (step === undefined) throw new Error('the archive is not to be closed')
      expect(step).toMatchObject({ site: null, fence: 'archive' })
      const before = await bucket().policy()
      const { proof } = await performStep(behaviourOf(step), runOf(step, failover))
      expect(proof).toMatchObject({ policy: 'closed', probe: 'refused' })
      // Only this folder: the neighbours' statements and writes stay.
      expect(JSON.parse((await bucket().policy()) ?? '').Statement).toHaveLength(
        JSON.parse(before ?? '').Statement.length + 1,
      )
      const store = await db.world.context.objectStore('archive', dcA).open('write')
      await expect(store.put('postgresql/pg-dc-a-g1/wals/x', '')).rejects.toMatchObject({ code: 'object-store-denied' })
      await store.put('postgresql/pg-dc-a-g2/x', '')
      await store.remove('postgresql/pg-dc-a-g2/x')
      await behaviourOf(step).undo?.(runOf(step, failover))
      expect((await behaviourOf(step).undone?.(runOf(step, failover)))?.is).toBe('done')
      expect(JSON.parse((await bucket().policy()) ?? '')).toEqual(JSON.parse(before ?? ''))
    },
    2 * MINUTES,
  )

  test(
    'is replaced without a token: all that was shipped is there, the loss is counted, and the lost side cannot fork its archive',
    async () => {
      await db.sql('dc-a', 'INSERT INTO users SELECT FROM generate_series(1, 10); SELECT pg_switch_wal();')
      await eventually(
        'all to be archived',
        async () =>
          (await db.sql('dc-a', "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")) === '0',
      )
      const states: BySite<CloudNativePgState> = {
        ...(await statesNow()),
        'dc-a': { kind: 'silent', why: 'no answer within 3 s' },
      }
      const loss = cloudNativePg.loss?.(component(), states, failover, new Date().toISOString())
      expect(loss?.bytes).toEqual([0, null])
      expect(loss?.seconds[1]).toBeLessThan(60)
      const steps = cloudNativePg.move?.(component(), states, failover, db.world.stack) ?? []
      expect(steps.filter((step) => step.site === 'dc-a')).toEqual([])
      await perform(steps, failover)
      expect(await db.sql('dc-b', 'INSERT INTO users DEFAULT VALUES RETURNING pg_is_in_recovery()')).toBe('f')
      expect(Number(await counted('dc-b', 'users'))).toBe(61)
      expect(proofs.get('database.drain-archive@dc-b')).toMatchObject({ archive: 'drained' })
      const promoted = proofs.get('database.promote-without-token@dc-b')
      expect(promoted).toMatchObject({ writable: true, timeline: 2, forkedFrom: 1, loss: { bytes: [0, null] } })
      expect(proofs.get('database.mark-fork@dc-a')).toMatchObject({
        record: { serverName: 'pg-dc-a-g1', forkedAt: promoted?.forkedAt },
      })

      // dc-a knows nothing of all this and goes on: what it writes now exists only there.
      await db.sql('dc-a', 'INSERT INTO users SELECT FROM generate_series(1, 7); DELETE FROM users WHERE id <= 2;')
      onlyThere = await db.sql(
        'dc-a',
        "SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM (SELECT ctid, id FROM users ORDER BY id DESC LIMIT 7) AS newest",
      )
      await db.sql('dc-a', 'BEGIN; INSERT INTO secrets (value) VALUES (1); ROLLBACK;')
      const before = await archived()
      await db.sql('dc-a', 'SELECT pg_switch_wal()')
      await eventually(
        'a failure to archive',
        async () => (await db.sql('dc-a', 'SELECT failed_count > 0 FROM pg_stat_archiver')) === 't',
      )
      expect(await archived()).toBe(before)
    },
    8 * MINUTES,
  )

  test(
    'and a late patch of a process that was thought dead changes nothing',
    async () => {
      const ref = {
        apiVersion: 'postgresql.cnpg.io/v1',
        kind: 'Cluster',
        plural: 'clusters',
        namespace: db.namespace,
        name: 'pg-dc-b',
      }
      const read = await db.admin('dc-b').get(ref)
      await db.admin('dc-b').patch(ref, { metadata: { annotations: { 'standby.dev/test': 'later' } } })
      const resourceVersion = read?.metadata.resourceVersion ?? ''
      const late = db
        .admin('dc-b')
        .patch(ref, { spec: { replica: { primary: 'pg-dc-b', promotionToken: null } } }, { resourceVersion })
      await expect(late).rejects.toMatchObject({ code: 'kubernetes-conflict' })
    },
    MINUTES,
  )

  test(
    'is not restored to a state that no user was served, and not deployed over',
    async () => {
      await nameActive(dcB)
      const sandbox = { site: dcB, namespace: `${db.name}-unused`, labels: {}, deadline: MINUTES }
      await expect(
        cloudNativePg.restoreTest?.(component(), dcA, sandbox as never, db.world.context),
      ).rejects.toMatchObject({
        code: 'archive-forked',
      })
      await expect(deploy(db.world, { dryRun: true, only: [] })).rejects.toMatchObject({ code: 'archive-forked' })
      expect((await status(db.world)).findings.map(({ code }) => code)).toContain('active-on-passive-site')
    },
    2 * MINUTES,
  )

  test(
    'rejoins: what only it had is kept and named, then it is cloned anew and follows with nothing missing',
    async () => {
      const before = await statesNow()
      const steps = cloudNativePg.rejoin?.(component(), before, rejoin, db.world.stack) ?? []
      await perform(steps, rejoin)
      const evidence = proofs.get('database.keep-evidence@dc-a')
      expect(evidence).toMatchObject({ state: 'shut down', serverName: 'pg-dc-a-g1', complete: true })
      expect(evidence?.tables).toEqual([{ table: 'users', inserted: 7, updated: 0, deleted: 2 }])
      expect(evidence?.uncommittedRows).toBe(1)
      expect(evidence?.found).toMatchObject({ bytes: [evidence?.bytes, evidence?.bytes], rows: [9, 9] })
      const kept = (evidence?.files ?? []) as string[]
      const keys = (await db.archive('dc-b').list('postgresql/evidence/pg-dc-a-g1/')).map(({ key }) => key)
      const files = keys.map((key) => key.split('/').at(-1))
      expect(files).toEqual(expect.arrayContaining(['evidence.json', 'rows.tsv', ...kept.map((file) => `${file}.gz`)]))
      expect(kept.length).toBeGreaterThan(0)
      const rows = await db.archive('dc-b').get(keys.find((key) => key.endsWith('/rows.tsv')) ?? '')
      const inserted = rows?.body
        .split('\n')
        .flatMap((line) => (line.startsWith('users\tinserted\t') ? [line.split('\t')[2]] : []))
      expect(inserted?.join(' ')).toBe(onlyThere)

      const after = await statesNow()
      const [old, cloned, active] = [before['dc-a'], after['dc-a'], after['dc-b']]
      if (old?.kind !== 'answering' || cloned?.kind !== 'answering' || active?.kind !== 'answering')
        throw new Error('a side is silent')
      expect(cloned.state.uid).not.toBe(old.state.uid)
      expect(cloned.state.serverName).toBe('pg-dc-a-g2')
      expect(active.state.peers).toEqual({ 'pg-dc-a': 'pg-dc-a-g2' })
      expect(cloned.role).toBe('passive')
      // The rows of the lost side are gone, those of the new one are there.
      expect(await counted('dc-a', 'users')).toBe(await counted('dc-b', 'users'))
    },
    12 * MINUTES,
  )

  test(
    'is then as a deploy would have it, and a switchover brings it back',
    async () => {
      const dry = await deploy(db.world, { dryRun: true, only: [] })
      expect(dry.units.flatMap((unit) => unit.changes)).toEqual([])
      await eventually(
        'an executable plan',
        async () => (await planFailover(db.world, { mode: 'switchover', to: dcA })).executable,
      )
      expect((await status(db.world)).findings).toEqual([])
      const { plan, digest } = await planFailover(db.world, { mode: 'switchover', to: dcA })
      const report = await executeFailover(db.world, plan, { digest } as Approval)
      expect(report.failure).toBeNull()
      expect(report.verdict).toBe('moved')
    },
    10 * MINUTES,
  )
})

/** What the engine writes at the point of no return. */
async function nameActive(site: SiteName): Promise<void> {
  const found = await readActive(db.world.store)
  if (found === null) throw new Error('never deployed')
  await replaceActive(db.world.store, { ...found.record, activeSite: site, epoch: found.record.epoch + 1 }, found)
}
