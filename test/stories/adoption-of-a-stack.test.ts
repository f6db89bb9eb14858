import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseDocument, stringify } from 'yaml'
import { until } from '../../lab/until.ts'
import type { KubernetesObject } from '../../src/clients/kubernetes-client.ts'
import type { Approval } from '../../src/domain/approval.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { backUp } from '../../src/operations/back-up.ts'
import { deploy } from '../../src/operations/deploy.ts'
import { executeFailover } from '../../src/operations/execute-failover.ts'
import { planFailover } from '../../src/operations/plan-failover.ts'
import { status } from '../../src/operations/status.ts'
import { eventually } from '../support/eventually.ts'
import { type LabDatabase, prepareLabDatabase } from '../support/lab-database.ts'

const MINUTES = 60_000
const CLUSTER = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', plural: 'clusters' } as const
const BACKUP = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Backup', plural: 'backups' } as const
const SECRET = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' } as const
const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' } as const
const PLUGIN = 'barman-cloud.cloudnative-pg.io'
/** Under which name the archive was begun long before. */
const THEIRS = 'prod'

let db: LabDatabase
beforeAll(async () => {
  const tell =
    process.env.LAB_VERBOSE === undefined ? {} : { tell: (line: string) => process.stderr.write(`${line}\n`) }
  db = await prepareLabDatabase({
    ...tell,
    ownerSecret: 'pg-dc-a-app',
    tables: ['ledger'],
    files: ({ images }) => chart(images.tools),
    beside: (namespace, { images }) => ({
      cache: {
        driver: 'redis',
        needs: ['archive'],
        namespace,
        name: 'redis',
        image: images.tools,
        password: { secret: 'redis', key: 'password' },
        storage: '1Gi',
        backup: { store: 'archive', prefix: 'redis', images: { dump: images.tools, upload: images.tools } },
      },
      application: {
        driver: 'helm-release',
        needs: ['database', 'cache'],
        namespace,
        release: 'app',
        chart: { path: 'chart' },
        values: { active: ['active.yaml'], passive: ['passive.yaml'] },
        workload: { kind: 'Deployment', name: 'app', container: 'app' },
      },
    }),
  })
  process.env.STANDBY_HELM = db.lab.programs.helm
}, MINUTES)
afterAll(async () => db?.remove(), 2 * MINUTES)

/** A chart as a team has one: it says how many replicas, and nothing of who installed it. */
function chart(image: string): Readonly<Record<string, string>> {
  const deployment = {
    apiVersion: DEPLOYMENT.apiVersion,
    kind: DEPLOYMENT.kind,
    metadata: { name: 'app' },
    spec: {
      replicas: 'REPLICAS',
      selector: { matchLabels: { app: 'app' } },
      template: {
        metadata: { labels: { app: 'app' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'app',
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1 & wait; done'],
            },
          ],
        },
      },
    },
  }
  return {
    'chart/Chart.yaml': stringify({ apiVersion: 'v2', name: 'app', version: '1.0.0' }),
    'chart/values.yaml': stringify({ replicas: 1 }),
    'chart/templates/app.yaml': stringify(deployment).replace('REPLICAS', '{{ .Values.replicas }}'),
    'active.yaml': stringify({ replicas: 2 }),
    'passive.yaml': stringify({ replicas: 0 }),
  }
}

const kubeconfigOf = (site: string): string => db.lab.sites.find(({ name }) => name === site)?.kubeconfig ?? ''
const kubectl = (site: string, args: readonly string[], input = ''): string =>
  execFileSync(db.lab.programs.kubectl, ['--kubeconfig', kubeconfigOf(site), '--namespace', db.namespace, ...args], {
    input,
    encoding: 'utf8',
  })
const helm = (site: string, args: readonly string[]): string =>
  execFileSync(db.lab.programs.helm, [...args, '--namespace', db.namespace, '--kubeconfig', kubeconfigOf(site)], {
    cwd: db.directory,
    encoding: 'utf8',
  })

/** A database that archives through the plugin already, under a name of its own. */
function database(): object[] {
  const keys = db.lab.s3.accounts['archive-dc-a']
  const key = (name: string) => ({ name: 'their-keys', key: name })
  return [
    {
      apiVersion: SECRET.apiVersion,
      kind: SECRET.kind,
      metadata: { name: 'their-keys' },
      stringData: { ID: keys.accessKeyId, KEY: keys.secretAccessKey, REGION: db.lab.s3.region },
    },
    {
      apiVersion: 'barmancloud.cnpg.io/v1',
      kind: 'ObjectStore',
      metadata: { name: 'their-store' },
      spec: {
        retentionPolicy: '30d',
        configuration: {
          destinationPath: `s3://infisical-dc-a/${db.name}/postgresql`,
          endpointURL: db.lab.s3.endpoint,
          s3Credentials: { accessKeyId: key('ID'), secretAccessKey: key('KEY'), region: key('REGION') },
          wal: { compression: 'gzip' },
        },
        instanceSidecarConfiguration: {
          env: ['REQUEST_CHECKSUM_CALCULATION', 'RESPONSE_CHECKSUM_VALIDATION'].map((name) => ({
            name: `AWS_${name}`,
            value: 'when_required',
          })),
        },
      },
    },
    {
      apiVersion: CLUSTER.apiVersion,
      kind: CLUSTER.kind,
      metadata: { name: 'pg-dc-a' },
      spec: {
        ...db.clusterSpec,
        plugins: [
          { name: PLUGIN, isWALArchiver: true, parameters: { barmanObjectName: 'their-store', serverName: THEIRS } },
        ],
      },
    },
  ]
}

/** As an example on the web has it: snapshots alone, one label, a claim that is called `data`. */
function cache(): object[] {
  const labels = { app: 'redis' }
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'redis' },
      spec: { selector: labels, ports: [{ port: 6379 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'redis' },
      spec: {
        serviceName: 'redis',
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            terminationGracePeriodSeconds: 5,
            securityContext: { runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
            containers: [
              {
                name: 'redis',
                image: db.lab.images.redis,
                imagePullPolicy: 'IfNotPresent',
                command: ['sh', '-c', 'exec redis-server --dir /data --requirepass "$REDISCLI_AUTH"'],
                env: [{ name: 'REDISCLI_AUTH', valueFrom: { secretKeyRef: { name: 'redis', key: 'password' } } }],
                readinessProbe: { exec: { command: ['sh', '-c', '[ "$(redis-cli ping)" = PONG ]'] }, periodSeconds: 1 },
                volumeMounts: [{ name: 'data', mountPath: '/data' }],
              },
            ],
          },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      },
    },
  ]
}

const apply = (site: string, objects: readonly object[]): string =>
  kubectl(site, ['apply', '-f', '-'], objects.map((one) => stringify(one)).join('---\n'))
const read = async <T>(
  site: string,
  kind: { apiVersion: string; kind: string; plural: string },
  name: string,
): Promise<T> => (await db.admin(site).get({ ...kind, namespace: db.namespace, name })) as unknown as T
const redis = (site: string, command: string): string =>
  kubectl(site, [
    'exec',
    'redis-0',
    '-c',
    'redis',
    '--',
    'sh',
    '-c',
    `REDISCLI_AUTH="\${REDIS_PASSWORD:-$REDISCLI_AUTH}" redis-cli ${command}`,
  ]).trim()
const rows = (site: string): Promise<string> => db.sql(site, 'SELECT count(*) FROM ledger')
type Workload = {
  readonly metadata: { readonly uid: string }
  readonly spec: { readonly replicas: number }
  readonly status: object
}
const replicas = async (site: string): Promise<number> => (await read<Workload>(site, DEPLOYMENT, 'app')).spec.replicas

/** Everything in here happens to one stack, in this order. */
describe('a stack that other hands made: a database with its archive, a Redis that keeps snapshots, and a release', () => {
  let before: { readonly uid: string; readonly systemId: string; readonly workload: string }

  test(
    'is refused by a deploy that does not adopt, and nothing is changed',
    async () => {
      for (const site of ['dc-a', 'dc-b']) apply(site, [passwordSecret()])
      apply('dc-a', [...database(), ...cache()])
      helm('dc-a', ['install', 'app', 'chart', '--values', 'active.yaml'])
      type Seen = { metadata: { uid: string }; status?: { readyInstances?: number; systemID?: string } }
      await eventually(
        'the database',
        async () => (await read<Seen>('dc-a', CLUSTER, 'pg-dc-a'))?.status?.readyInstances === 1,
        4 * MINUTES,
      )
      await db.sql(
        'dc-a',
        'CREATE TABLE ledger (id bigint PRIMARY KEY); ALTER TABLE ledger OWNER TO app; INSERT INTO ledger SELECT generate_series(1, 500);',
      )
      apply('dc-a', [
        {
          apiVersion: BACKUP.apiVersion,
          kind: BACKUP.kind,
          metadata: { name: 'theirs' },
          spec: { cluster: { name: 'pg-dc-a' }, method: 'plugin', pluginConfiguration: { name: PLUGIN } },
        },
      ])
      const phase = async () => (await read<{ status?: { phase?: string } }>('dc-a', BACKUP, 'theirs'))?.status?.phase
      await eventually('their backup', async () => (await phase()) === 'completed', 3 * MINUTES)
      kubectl('dc-a', ['wait', '--for=condition=Ready', 'pod/redis-0', '--timeout=60s'])
      redis('dc-a', `eval "for n = 1, 50 do redis.call('SET', 'key-' .. n, n) end" 0`)
      const secret = await read<{ type: string; data: object }>('dc-a', SECRET, 'pg-dc-a-app')
      await db.admin('dc-b').apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'pg-dc-a-app', namespace: db.namespace },
        type: secret.type,
        data: secret.data,
      } as unknown as KubernetesObject)
      const [cluster, workload] = await Promise.all([
        read<Seen>('dc-a', CLUSTER, 'pg-dc-a'),
        read<Workload>('dc-a', DEPLOYMENT, 'app'),
      ])
      before = { uid: cluster.metadata.uid, systemId: cluster.status?.systemID ?? '', workload: workload.metadata.uid }
      await expect(deploy(db.world, { dryRun: false, only: [] })).rejects.toMatchObject({ code: 'made-by-others' })
    },
    10 * MINUTES,
  )

  test(
    'has a Redis whose StatefulSet cannot be changed: the dry run says so, and what is around its data is exchanged by hand',
    async () => {
      const report = await deploy(db.world, { dryRun: true, only: [], adopt: true })
      process.stderr.write(`${report.failure?.what}\n`)
      expect(report.failure).toMatchObject({
        code: 'change-refused',
        what: expect.stringMatching(/StatefulSet\/redis .*written to the volume first.*--cascade=orphan/),
      })
      expect(redis('dc-a', 'save')).toBe('OK')
      kubectl('dc-a', ['delete', 'statefulset', 'redis', '--cascade=orphan'])
      kubectl('dc-a', ['delete', 'pod', 'redis-0', '--wait=true'])
      const again = await deploy(db.world, { dryRun: true, only: [], adopt: true })
      process.stderr.write(
        `${JSON.stringify(again.units.flatMap(({ changes }) => changes).filter(({ kind }) => kind === 'keep'))}\n`,
      )
      expect(again.failure).toBeNull()
    },
    3 * MINUTES,
  )

  test(
    'is adopted with its rows, its archive, its keys and its release, and copied to the other site',
    async () => {
      expect((await deploy(db.world, { dryRun: false, only: [], adopt: true })).failure).toBeNull()
      type Adopted = {
        metadata: { uid: string }
        spec: { plugins: { parameters: { serverName: string } }[] }
        status: { systemID: string }
      }
      const cluster = await read<Adopted>('dc-a', CLUSTER, 'pg-dc-a')
      expect(cluster.metadata.uid).toBe(before.uid)
      expect(cluster.status.systemID).toBe(before.systemId)
      expect(cluster.spec.plugins.map(({ parameters }) => parameters.serverName)).toEqual([THEIRS])
      expect(await rows('dc-a')).toBe('500')
      expect(redis('dc-a', 'dbsize')).toBe('50')
      expect((await read<Workload>('dc-a', DEPLOYMENT, 'app')).metadata.uid).toBe(before.workload)
      expect([await replicas('dc-a'), await replicas('dc-b')]).toEqual([2, 0])
      expect((JSON.parse(helm('dc-a', ['history', 'app', '--output', 'json'])) as unknown[]).length).toBeGreaterThan(0)
      await eventually('the copy to have all rows', async () => (await rows('dc-b')) === '500', MINUTES)
      expect((await deploy(db.world, { dryRun: false, only: [] })).verdict).toBe('unchanged')
    },
    12 * MINUTES,
  )

  test(
    'does not notice the harmless change of a second look: PostgreSQL and its pod go on, on the same timeline',
    async () => {
      const alive = async () => [
        await db.sql('dc-a', 'SELECT pg_postmaster_start_time(), timeline_id FROM pg_control_checkpoint()'),
        kubectl('dc-a', [
          'get',
          'pod',
          'pg-dc-a-1',
          '-o',
          'jsonpath={.metadata.uid} {.status.containerStatuses[*].restartCount}',
        ]),
        kubectl('dc-a', ['get', 'cluster', 'pg-dc-a', '-o', 'jsonpath={.status.currentPrimary} {.status.phase}']),
      ]
      const was = await alive()
      const follow = (source: string): string =>
        kubectl('dc-a', [
          'patch',
          'cluster',
          'pg-dc-a',
          '--type=merge',
          '-p',
          JSON.stringify({ spec: { replica: { source } } }),
        ])
      for (const source of ['pg-dc-a', 'pg-dc-b']) {
        follow(source)
        for (let looks = 0; looks < 8; looks++) {
          await new Promise((resolve) => setTimeout(resolve, 1_000))
          expect(await alive()).toEqual(was)
        }
      }
    },
    MINUTES,
  )

  test(
    'moves like any other, beside an Argo CD that leaves it alone, and loses nothing',
    async () => {
      // The restored copy of each is held against a manifest, which a backup by other hands does not have.
      expect((await backUp(db.world)).failure).toBeNull()
      const findings = async () => (await status(db.world)).findings.map(({ code, what }) => `${code}: ${what}`)
      await until(
        'a status without a warning',
        { deadline: 3 * MINUTES, every: 1_000, hint: async () => (await findings()).join('; ') },
        async () => (await status(db.world)).verdict === 'green',
      )
      await db.sql('dc-a', 'INSERT INTO ledger SELECT generate_series(501, 600)')
      redis('dc-a', 'set late 1')
      kubectl('dc-a', ['label', 'cluster', 'pg-dc-a', 'argocd.argoproj.io/instance=shop'])
      const { plan, digest } = await planFailover(db.world, { mode: 'switchover', to: 'dc-b' as SiteName })
      expect(plan.findings.map(({ code }) => code)).toContain('managed-by-others')
      expect(plan.findings.filter(({ severity }) => severity === 'blocker')).toEqual([])
      const report = await executeFailover(db.world, plan, { digest } as Approval)
      expect(report.verdict).toBe('moved')
      expect(report.steps.find(({ id }) => id === 'database.second-look@dc-a')).toMatchObject({
        outcome: 'done',
        proof: { others: ['Argo CD (application shop)'], takenBack: false },
      })
      expect(await rows('dc-b')).toBe('600')
      expect(redis('dc-b', 'dbsize')).toBe('51')
      expect([await replicas('dc-a'), await replicas('dc-b')]).toEqual([0, 2])
    },
    6 * MINUTES,
  )

  test(
    'gets a larger Redis by the steps that the dry run prints, and its pod runs on meanwhile',
    async () => {
      const file = join(db.directory, 'standby.yaml')
      const declared = parseDocument(readFileSync(file, 'utf8'))
      declared.setIn(['components', 'cache', 'storage'], '2Gi')
      writeFileSync(file, declared.toString())
      const world = await db.readAgain()
      const dry = await deploy(world, { dryRun: true, only: [] })
      const steps = dry.failure?.what ?? ''
      process.stderr.write(`${steps}\n`)
      expect(dry.failure?.code).toBe('change-refused')
      const pod = (site: string): string => kubectl(site, ['get', 'pod', 'redis-0', '-o', 'jsonpath={.metadata.uid}'])
      const before = { 'dc-a': pod('dc-a'), 'dc-b': pod('dc-b') }
      // The first step is one of volumes that can grow: those of the lab are folders, and have any size.
      const second = `kubectl -n ${db.namespace} delete statefulset redis --cascade=orphan`
      expect(steps).toContain(`2. ${second}`)
      for (const site of ['dc-a', 'dc-b']) kubectl(site, second.split(' ').slice(3))
      expect((await deploy(world, { dryRun: false, only: [] })).failure).toBeNull()
      for (const site of ['dc-a', 'dc-b'] as const) {
        expect(pod(site)).toBe(before[site])
        const owner = ['get', 'pod', 'redis-0', '-o', 'jsonpath={.metadata.ownerReferences[0].uid}']
        expect(kubectl(site, owner)).toBe(
          kubectl(site, ['get', 'statefulset', 'redis', '-o', 'jsonpath={.metadata.uid}']),
        )
      }
      expect(redis('dc-b', 'dbsize')).toBe('51')
      expect((await deploy(world, { dryRun: false, only: [] })).verdict).toBe('unchanged')
    },
    4 * MINUTES,
  )
})

/** The same on both sites, as the application needs it. */
const passwordSecret = (): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'redis' },
  stringData: { password: 'of-their-own' },
})
