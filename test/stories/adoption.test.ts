import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { stringify } from 'yaml'
import type { Approval } from '../../src/domain/approval.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { backUp } from '../../src/operations/back-up.ts'
import { deploy } from '../../src/operations/deploy.ts'
import { executeFailover } from '../../src/operations/execute-failover.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { status } from '../../src/operations/status.ts'
import { verifyBackup } from '../../src/operations/verify-backup.ts'
import { eventually } from '../support/eventually.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'

const MINUTES = 60_000
const CLUSTER = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', plural: 'clusters' } as const
const SECRET = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' } as const

let db: LabDatabase
beforeAll(async () => {
  const tell =
    process.env.LAB_VERBOSE === undefined ? {} : { tell: (line: string) => process.stderr.write(`${line}\n`) }
  db = await prepareLabDatabase({ ...tell, ownerSecret: 'pg-dc-a-app', tables: ['ledger'] })
}, MINUTES)
afterAll(async () => db?.remove(), 2 * MINUTES)

/** As a person does it, whose client-side apply leaves its own marks on the object. */
function kubectl(site: string, args: readonly string[], input = ''): string {
  const kubeconfig = db.lab.sites.find(({ name }) => name === site)?.kubeconfig ?? ''
  return execFileSync(db.lab.programs.kubectl, ['--kubeconfig', kubeconfig, '--namespace', db.namespace, ...args], {
    input,
    encoding: 'utf8',
  })
}

/** The quick start of CloudNativePG (cluster-example.yaml), with the image of the lab and what fits it. */
const quickStart = (): object => ({
  apiVersion: CLUSTER.apiVersion,
  kind: CLUSTER.kind,
  metadata: { name: 'pg-dc-a' },
  spec: {
    instances: 2,
    imageName: db.lab.images.postgresql,
    imagePullPolicy: 'IfNotPresent',
    storage: { size: '2Gi' },
  },
})
const theCluster = async () => {
  const found = await db.admin('dc-a').get({ ...CLUSTER, namespace: db.namespace, name: 'pg-dc-a' })
  return found as unknown as {
    metadata: { uid: string }
    spec: { instances: number }
    status: { systemID: string; readyInstances?: number }
  }
}
const rows = (site: string): Promise<string> => db.sql(site, 'SELECT count(*) FROM ledger')

/** Everything in here happens to one database, in this order. */
describe('a cluster that was made with kubectl from the quick start', () => {
  let before: Awaited<ReturnType<typeof theCluster>>

  test(
    'is refused by a deploy that does not adopt, and nothing is changed',
    async () => {
      kubectl('dc-a', ['apply', '-f', '-'], stringify(quickStart()))
      await eventually('two instances', async () => (await theCluster()).status?.readyInstances === 2, 4 * MINUTES)
      await db.sql(
        'dc-a',
        'CREATE TABLE ledger (id bigint PRIMARY KEY); ALTER TABLE ledger OWNER TO app; INSERT INTO ledger SELECT generate_series(1, 500);',
      )
      const secret = await db.admin('dc-a').get({ ...SECRET, namespace: db.namespace, name: 'pg-dc-a-app' })
      const { type, data } = secret as unknown as { type: string; data: object }
      await db.admin('dc-b').apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'pg-dc-a-app', namespace: db.namespace },
        type,
        data,
      })
      before = await theCluster()
      await expect(deploy(db.world, { dryRun: false, only: [] })).rejects.toMatchObject({ code: 'made-by-others' })
    },
    6 * MINUTES,
  )

  test(
    'is not adopted by a stack that would shrink it: the dry run lists each field with what to declare',
    async () => {
      writeFileSync(
        join(db.directory, 'database.yaml'),
        stringify({ ...db.clusterSpec, instances: 1, storage: { size: '1Gi' } }),
      )
      const report = await deploy(db.world, { dryRun: true, only: [], adopt: true })
      expect(report.failure?.code).toBe('change-refused')
      expect(report.failure?.what).toMatch(/spec.instances: .*Declare instances: 2/)
      expect(report.failure?.what).toMatch(/spec.storage.size: .*Declare storage.size: "2Gi"/)
      expect((await deploy(db.world, { dryRun: false, only: [], adopt: true })).failure?.code).toBe('change-refused')
    },
    MINUTES,
  )

  test(
    'is adopted with its data, its instances and its identity, and copied to the other site',
    async () => {
      writeFileSync(join(db.directory, 'database.yaml'), stringify({ ...db.clusterSpec, instances: 2 }))
      const dry = await deploy(db.world, { dryRun: true, only: [], adopt: true })
      process.stderr.write(
        `${JSON.stringify(
          dry.units.flatMap(({ changes }) => changes),
          null,
          1,
        )}\n`,
      )
      expect(dry.failure).toBeNull()
      expect(dry.units.flatMap(({ changes }) => changes)).toContainEqual(
        expect.objectContaining({ kind: 'keep', path: 'status.systemID', from: before.status.systemID }),
      )
      const report = await deploy(db.world, { dryRun: false, only: [], adopt: true })
      expect(report.failure).toBeNull()
      const after = await theCluster()
      expect(after.metadata.uid).toBe(before.metadata.uid)
      expect(after.status.systemID).toBe(before.status.systemID)
      expect(after.spec.instances).toBe(2)
      expect(await rows('dc-a')).toBe('500')
      await eventually('the copy to have all rows', async () => (await rows('dc-b')) === '500', MINUTES)
      expect((await deploy(db.world, { dryRun: false, only: [] })).verdict).toBe('unchanged')
    },
    12 * MINUTES,
  )

  test(
    'has backups that restore, in a copy that is made from what it is',
    async () => {
      expect((await backUp(db.world)).failure).toBeNull()
      const tested = await verifyBackup(db.world, {})
      expect(tested.checks.filter((check) => check.outcome !== 'pass')).toEqual([])
      expect(tested.verdict).toBe('restorable')
    },
    8 * MINUTES,
  )

  test(
    'moves like any other, and loses nothing',
    async () => {
      await eventually(
        'a status without a warning',
        async () => (await status(db.world)).verdict === 'green',
        2 * MINUTES,
      )
      const { plan, digest } = await planFailover(db.world, { mode: 'switchover', to: 'dc-b' as SiteName })
      expect(plan.findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
      expect((await executeFailover(db.world, plan, { digest } as Approval)).verdict).toBe('moved')
      expect(await rows('dc-b')).toBe('500')
    },
    6 * MINUTES,
  )

  test(
    'is not begun anew once it is deleted: a deploy refuses, and leads to the copy',
    async () => {
      kubectl('dc-b', ['delete', 'cluster', 'pg-dc-b', '--wait=true'])
      await expect(deploy(db.world, { dryRun: true, only: [] })).rejects.toMatchObject({
        code: 'active-database-missing',
        next: expect.stringContaining('standby failover plan --mode failover --to dc-a'),
      })
      await expect(deploy(db.world, { dryRun: false, only: [] })).rejects.toMatchObject({
        code: 'active-database-missing',
      })
      expect((await status(db.world)).findings.map(({ code }) => code)).toContain('active-database-missing')
      const { plan, digest } = await planFailover(db.world, {
        mode: 'failover',
        to: 'dc-a' as SiteName,
        acceptLoss: 10 * MINUTES,
      })
      expect(plan.findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
      expect((await executeFailover(db.world, plan, { digest } as Approval)).verdict).toBe('moved')
      expect(await rows('dc-a')).toBe('500')
      // The passive cluster is gone: a deploy clones it under a name that its archive has never held.
      expect((await deploy(db.world, { dryRun: false, only: [] })).failure).toBeNull()
      const names = await db.archive('dc-b').list('postgresql/pg-dc-b-g2/', { limit: 1 })
      expect(names).toHaveLength(1)
      await eventually('the new copy to have all rows', async () => (await rows('dc-b')) === '500', MINUTES)
    },
    12 * MINUTES,
  )
})
