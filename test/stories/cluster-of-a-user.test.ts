import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bridge } from '../../lab/topology.ts'
import { until } from '../../lab/until.ts'
import type { Approval } from '../../src/domain/approval.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { backUp } from '../../src/operations/back-up.ts'
import { deploy } from '../../src/operations/deploy.ts'
import { executeFailover } from '../../src/operations/execute-failover.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { status } from '../../src/operations/status.ts'
import { verifyBackup } from '../../src/operations/verify-backup.ts'
import { sandboxNamespace } from '../../src/platform/kubernetes/sandbox.ts'
import { type InstanceMetadata, startInstanceMetadata } from '../support/instance-metadata.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'

const MINUTES = 60_000
const TAINT = { key: 'standby.dev/story', value: 'databases-only', effect: 'NoSchedule' } as const
/** Where the restored copy stands: nothing without the toleration starts there. */
const TAINTED = 'dc-b'

let metadata: InstanceMetadata
let db: LabDatabase
beforeAll(async () => {
  const tell =
    process.env.LAB_VERBOSE === undefined ? {} : { tell: (line: string) => process.stderr.write(`${line}\n`) }
  // Whose keys they are is known once the lab is read: the server is asked by the first pod.
  let keys = { accessKeyId: '', secretAccessKey: '' }
  metadata = await startInstanceMetadata(bridge.address, () => keys)
  db = await prepareLabDatabase({
    ...tell,
    tables: ['ledger'],
    login: true,
    cluster: {
      affinity: { tolerations: [{ ...TAINT, operator: 'Equal' }] },
      env: [
        { name: 'AWS_EC2_METADATA_SERVICE_ENDPOINT', value: metadata.url },
        // Asked by each start of barman, on a machine that may be busy: once within a second, where nothing is said.
        { name: 'AWS_METADATA_SERVICE_TIMEOUT', value: '5' },
        { name: 'AWS_METADATA_SERVICE_NUM_ATTEMPTS', value: '3' },
        // A pod does not start without the Secret that it names.
        { name: 'THEIRS', valueFrom: { secretKeyRef: { name: 'their-settings', key: 'mark' } } },
      ],
      imagePullSecrets: [{ name: 'their-registry' }],
    },
  })
  keys = db.lab.s3.root
  kubectl(TAINTED, ['taint', 'nodes', '--all', `${TAINT.key}=${TAINT.value}:${TAINT.effect}`])
}, MINUTES)
afterAll(async () => {
  await metadata?.stop()
  if (db === undefined) return
  kubectl(TAINTED, ['taint', 'nodes', '--all', `${TAINT.key}-`])
  await db.remove()
}, 2 * MINUTES)

function kubectl(site: string, args: readonly string[], namespace = db.namespace): string {
  const kubeconfig = db.lab.sites.find(({ name }) => name === site)?.kubeconfig ?? ''
  return execFileSync(db.lab.programs.kubectl, ['--kubeconfig', kubeconfig, '--namespace', namespace, ...args], {
    encoding: 'utf8',
  })
}

interface PodSpec {
  readonly tolerations?: readonly { readonly key?: string }[]
  readonly imagePullSecrets?: readonly { readonly name: string }[]
  readonly containers: readonly { readonly name: string; readonly env?: readonly { readonly name: string }[] }[]
}

/** What a person would look at while a copy is restored. */
async function watchSandbox(
  until: Promise<unknown>,
): Promise<{ readonly secrets: Set<string>; readonly postgres: PodSpec | null }> {
  const secrets = new Set<string>()
  let postgres: PodSpec | null = null
  let over = false
  void until.finally(() => {
    over = true
  })
  while (!over) {
    const read = <T>(kind: string): T =>
      JSON.parse(kubectl(TAINTED, ['get', kind, '-o', 'json'], sandboxNamespace(db.name))) as T
    for (const { metadata: of } of read<{ items: { metadata: { name: string } }[] }>('secrets').items)
      secrets.add(of.name)
    const running = read<{ items: { spec: PodSpec; status: { phase?: string } }[] }>('pods').items.find(
      ({ spec, status: of }) => of.phase === 'Running' && spec.containers.some(({ name }) => name === 'postgres'),
    )
    postgres = running?.spec ?? postgres
    await sleep(2_000)
  }
  return { secrets, postgres }
}

/** Everything in here happens to one database, in this order. */
describe('a cluster whose nodes are tainted, whose pods need Secrets of their own, and whose stores take the login of its machine', () => {
  test(
    'is deployed on both sites, and its pods write to their archives without a key',
    async () => {
      for (const site of ['dc-a', 'dc-b']) {
        kubectl(site, ['create', 'secret', 'generic', 'their-settings', '--from-literal=mark=theirs'])
        kubectl(site, [
          'create',
          'secret',
          'docker-registry',
          'their-registry',
          '--docker-username=u',
          '--docker-password=p',
        ])
      }
      expect((await deploy(db.world, { dryRun: false, only: [] })).failure).toBeNull()
      await db.sql(
        'dc-a',
        'CREATE TABLE ledger (id bigint PRIMARY KEY); INSERT INTO ledger SELECT generate_series(1, 500);',
      )
      expect((await backUp(db.world)).failure).toBeNull()
      expect(metadata.asked.size).toBeGreaterThan(0)
      const archived = await db.archive('dc-a').list('postgresql/pg-dc-a-g1/', { limit: 1 })
      expect(archived).toHaveLength(1)
      const secrets = JSON.parse(kubectl('dc-a', ['get', 'secrets', '-o', 'json'])) as {
        items: { data?: Record<string, string> }[]
      }
      expect(JSON.stringify(secrets)).not.toContain(Buffer.from(db.lab.s3.root.secretAccessKey).toString('base64'))
    },
    8 * MINUTES,
  )

  test(
    'is restored into a copy that tolerates, reads and pulls what its own pods do',
    async () => {
      const testing = verifyBackup(db.world, {})
      const { secrets, postgres } = await watchSandbox(testing)
      const tested = await testing
      expect(tested.checks.filter((check) => check.outcome !== 'pass')).toEqual([])
      expect(tested.verdict).toBe('restorable')
      expect([...secrets]).toEqual(expect.arrayContaining(['their-settings', 'their-registry']))
      expect(postgres?.tolerations).toContainEqual(expect.objectContaining({ key: TAINT.key }))
      expect(postgres?.containers.flatMap(({ env = [] }) => env.map(({ name }) => name))).toContain('THEIRS')
      expect(postgres?.imagePullSecrets).toContainEqual({ name: 'their-registry' })
    },
    8 * MINUTES,
  )

  test(
    'moves like any other, and loses nothing',
    async () => {
      const findings = async () =>
        (await status(db.world)).findings.map(({ code, what }) => `${code}: ${what}`).join('; ')
      await until(
        'a status without a warning',
        { deadline: 2 * MINUTES, every: 1_000, hint: findings },
        async () => (await status(db.world)).verdict === 'green',
      )
      const { plan, digest } = await planFailover(db.world, { mode: 'switchover', to: TAINTED as SiteName })
      expect(plan.findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
      expect((await executeFailover(db.world, plan, { digest } as Approval)).verdict).toBe('moved')
      expect(await db.sql(TAINTED, 'SELECT count(*) FROM ledger')).toBe('500')
    },
    6 * MINUTES,
  )
})
