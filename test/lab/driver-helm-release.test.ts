import { createHash, randomBytes, randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type LabEnvironment, readLabEnvironment } from '../../lab/environment.ts'
import { type Credentials, provisionInstance, putSecret } from '../../lab/ledger/application-client.ts'
import type { KubernetesClient, KubernetesObject } from '../../src/clients/kubernetes-client.ts'
import { systemClock } from '../../src/composition/connect.ts'
import { programRunner } from '../../src/composition/program-runner.ts'
import type { Intent, PlannedStep } from '../../src/domain/plan.ts'
import type { Sandbox } from '../../src/domain/restore-test.ts'
import type { CredentialReference, SiteName, Stack } from '../../src/domain/stack.ts'
import type { Change, Deployment, DeployUnit } from '../../src/driver/deployment.ts'
import type { Application } from '../../src/drivers/helm-release/spec.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import { masking } from '../../src/runtime/masking.ts'
import type { JsonObject } from '../../src/values/json.ts'
import { verdictOf } from '../../src/verification/judge-restore.ts'
import { deadlineAfter } from '../../src/waiting/deadline.ts'
import { waitUntilDone } from '../../src/waiting/wait-until.ts'
import type { Behaviour, FlatRun } from '../support/flat/behaviour.ts'
import type { FlatContext } from '../support/flat/context.ts'
import { helmRelease } from '../support/flat/drivers.ts'
import { performStep, takeStepBack } from '../support/perform-step.ts'

const name = `t-helm-${randomBytes(3).toString('hex')}`
const sandboxName = `${name}-sandbox`
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const ending = new AbortController()
const signal = ending.signal
const directory = mkdtempSync(join(tmpdir(), 'standby-helm-test-'))
const nodePort = randomInt(31_000, 32_700)
const encryptionKey = randomBytes(16).toString('hex')
const canaryValue = 'a value that only the right key opens'
const clients = new Map<SiteName, KubernetesClient>()
const proofs = new Map<string, JsonObject>()
const programs = process.env.STANDBY_HELM
let lab: LabEnvironment
let context: FlatContext
let credentials: Credentials

const component: Application = {
  name: 'application',
  driver: 'helm-release',
  needs: [],
  spec: {
    namespace: name,
    release: 'app',
    chart: { path: resolve('lab/charts/infisical-standalone') },
    values: { all: ['all.yaml'], passive: ['passive.yaml'] },
    mustMatch: [{ secret: 'keys', keys: ['ENCRYPTION_KEY'] }],
    workload: {
      kind: 'Deployment',
      name: 'app-infisical-standalone-infisical',
      container: 'infisical-standalone-infisical',
    },
    identity: {
      database: 'database',
      query: 'SELECT "instanceId"::text FROM super_admin',
      migrations: 'SELECT name FROM infisical_migrations ORDER BY id',
    },
    canary: {
      kind: 'infisical-secret',
      credentials: { clientId: { env: 'CLIENT_ID' }, clientSecret: { env: 'CLIENT_SECRET' } },
      project: { env: 'PROJECT' },
      environment: 'prod',
      name: 'STANDBY_CANARY',
      sha256: { env: 'SHA256' },
      port: 8080,
    },
    restoreTest: {
      secret: 'keys',
      environment: {
        DB_CONNECTION_URI: 'postgresql://${database.user}@${database.host}:5432/${database.database}',
        INFISICAL_RUN_MODES: 'api',
        QUEUE_WORKERS_ENABLED: 'false',
      },
    },
  },
}
const kubernetes = (site: SiteName): KubernetesClient => clients.get(site) as KubernetesClient
const at = (namespace: string, pod: string) => ({ namespace, name: pod, container: pod })

function prerequisites(namespace: string, key: string): KubernetesObject[] {
  const pod = (podName: string, image: string, script: string, port: number, user: number): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName, namespace, labels: { app: podName } },
    spec: {
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsUser: user, fsGroup: user },
      containers: [
        {
          name: podName,
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', script],
          readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  })
  const service = (serviceName: string, port: number): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName, namespace },
    spec: { selector: { app: serviceName }, ports: [{ port }] },
  })
  const postgres = `initdb -D /data/pg -U app -A trust --no-sync >/dev/null && echo 'host all all all trust' >> /data/pg/pg_hba.conf && exec postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/data -c fsync=off`
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'keys', namespace },
      stringData: {
        ENCRYPTION_KEY: key,
        AUTH_SECRET: Buffer.from('a'.repeat(32)).toString('base64'),
        SITE_URL: 'http://standby.lab',
        DB_CONNECTION_URI: `postgresql://app@postgres.${namespace}.svc:5432/postgres`,
        REDIS_URL: `redis://redis.${namespace}.svc:6379`,
      },
    },
    pod('postgres', lab.images.postgresql, postgres, 5432, 26),
    pod('redis', lab.images.redis, 'exec redis-server --protected-mode no --dir /data', 6379, 999),
    service('postgres', 5432),
    service('redis', 6379),
  ]
}

async function podsReady(site: SiteName, namespace: string): Promise<void> {
  const ready = async () => {
    const pods = await kubernetes(site).list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, { namespace })
    return pods.every((pod) =>
      (pod.status as { conditions?: { type: string; status: string }[] }).conditions?.some(
        (one) => one.type === 'Ready' && one.status === 'True',
      ),
    )
  }
  for (let tries = 0; tries < 120 && !(await ready()); tries++) await systemClock.sleep(500, signal)
}

async function psql(site: SiteName, namespace: string, sql: string): Promise<string> {
  const argv = ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', '/data', '-U', 'app', '-d', 'postgres', '-f', '-']
  const answer = await kubernetes(site).exec(at(namespace, 'postgres'), argv, { stdin: sql, deadline: 30_000 })
  if (answer.code !== 0) throw siteError('sql-failed', answer.stderr.trim())
  return answer.stdout.trim()
}

/** What replication would do: the same database on another site. */
async function copyDatabase(from: SiteName, to: SiteName, namespace: string): Promise<void> {
  const dump = await kubernetes(from).exec(
    at(name, 'postgres'),
    ['pg_dump', '-h', '/data', '-U', 'app', '-d', 'postgres', '--clean', '--if-exists'],
    {
      deadline: 30_000,
    },
  )
  await psql(to, namespace, dump.stdout)
}

beforeAll(async () => {
  lab = await readLabEnvironment()
  process.env.STANDBY_HELM = lab.programs.helm
  for (const site of lab.sites)
    clients.set(
      site.name as SiteName,
      openKubernetes({ site: site.name, kubeconfig: readFileSync(site.kubeconfig, 'utf8'), signal }),
    )
  const [, repository = '', tag = ''] = /^(.*):([^:]*)$/.exec(lab.images.infisical) ?? []
  const values = {
    infisical: {
      replicaCount: 1,
      image: { repository, tag },
      kubeSecretRef: 'keys',
      service: { type: 'NodePort', nodePort },
      resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '300Mi' } },
      readinessProbe: { initialDelaySeconds: 0, periodSeconds: 1 },
    },
    postgresql: { enabled: false },
    redis: { enabled: false },
    ingress: { enabled: false, nginx: { enabled: false } },
  }
  writeFileSync(join(directory, 'all.yaml'), JSON.stringify(values))
  writeFileSync(join(directory, 'passive.yaml'), JSON.stringify({ infisical: { replicaCount: 0 } }))
  const environment = (key: string): string =>
    ({
      CLIENT_ID: credentials.clientId,
      CLIENT_SECRET: credentials.clientSecret,
      PROJECT: credentials.projectId,
      SHA256: createHash('sha256').update(canaryValue).digest('hex'),
    })[key] ?? ''
  const stack = {
    name,
    sites: [A, B].map((site) => ({
      name: site,
      platforms: { kubernetes: { kubeconfig: { env: 'X' }, clusterId: '' } },
    })),
    initialActive: A,
    components: [component],
    objectives: { backupAge: 3_600_000, restoreTime: 600_000 },
    source: { path: '', directory, digest: '' },
  } as unknown as Stack
  const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  context = {
    stack,
    signal,
    clock: systemClock,
    log,
    kubernetes,
    kubeconfig: (site: SiteName) => readFileSync(lab.sites.find((one) => one.name === site)?.kubeconfig ?? '', 'utf8'),
    credential: async (reference: CredentialReference) => ('env' in reference ? environment(reference.env) : ''),
    run: programRunner(log, masking(), signal),
    sql: async (_component: string, place: SiteName | Sandbox, query: string) => {
      const [site, namespace] = typeof place === 'string' ? [place, name] : [place.site, place.namespace]
      return (await psql(site, namespace, query))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => [line])
    },
  } as unknown as FlatContext
  for (const site of [A, B])
    for (const object of prerequisites(name, encryptionKey)) await kubernetes(site).apply(object, { force: true })
  for (const object of prerequisites(sandboxName, encryptionKey)) await kubernetes(B).apply(object, { force: true })
  await Promise.all([podsReady(A, name), podsReady(B, name), podsReady(B, sandboxName)])
}, 120_000)

afterAll(async () => {
  if (programs === undefined) delete process.env.STANDBY_HELM
  else process.env.STANDBY_HELM = programs
  for (const site of [A, B])
    for (const namespace of [name, sandboxName])
      await clients
        .get(site)
        ?.remove({ apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespace: null, name: namespace })
  rmSync(directory, { recursive: true, force: true })
  ending.abort()
}, 60_000)

async function unitOf(site: SiteName, active: SiteName, changed: Application = component): Promise<DeployUnit> {
  const deployment: Deployment = {
    activeSite: active,
    roleOf: (one) => (one === active ? 'active' : 'passive'),
    observed: {},
    epoch: 1,
    adopt: false,
  }
  const [unit] = (await helmRelease.deploy?.(changed, site, deployment, context)) ?? []
  if (unit === undefined) throw new Error('no unit')
  return unit
}
const untilReady = (unit: DeployUnit): Promise<JsonObject> =>
  waitUntilDone(() => unit.ready(signal), {
    what: unit.id,
    clock: systemClock,
    signal,
    deadline: deadlineAfter(90_000),
    waiting: () => undefined,
  })
async function deploy(active: SiteName): Promise<Change[]> {
  const changes: Change[] = []
  for (const site of [A, B]) {
    const unit = await unitOf(site, active)
    const found = await unit.diff(signal)
    changes.push(...found)
    if (found.length === 0) continue
    await unit.apply(signal)
    await untilReady(unit)
  }
  return changes
}

async function perform(step: PlannedStep | undefined): Promise<number> {
  if (step === undefined) throw new Error('no such step')
  const run = {
    step,
    component,
    intent: null,
    context,
    signal,
    begunAt: new Date().toISOString(),
    applied: false,
    proofOf: (id: string) => proofs.get(id) ?? null,
  }
  const began = performance.now()
  const performed = await performStep(
    helmRelease.behaviours[step.action] as unknown as Behaviour,
    run as unknown as FlatRun,
  )
  proofs.set(step.id, performed.proof)
  return Math.round(performance.now() - began)
}
/** Without those that have ended, which stay in sight for a moment. */
const applicationPods = (site: SiteName): Promise<KubernetesObject[]> =>
  kubernetes(site)
    .list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, { namespace: name })
    .then((pods) =>
      pods.filter(
        // The pod that has a node pull the images runs nothing of the application.
        (pod) =>
          pod.metadata.name.startsWith('app-') &&
          pod.metadata.labels?.['job-name'] === undefined &&
          !ENDED.has(String((pod.status as { phase?: string } | undefined)?.phase)),
      ),
    )
const ENDED: ReadonlySet<string> = new Set(['Succeeded', 'Failed'])

const there: Intent = { mode: 'switchover', from: A, to: B }
async function stepsOf(intent: Intent): Promise<PlannedStep[]> {
  const states = {
    [A]: await helmRelease.observe(component, A, context),
    [B]: await helmRelease.observe(component, B, context),
  }
  return helmRelease.move?.(component, states, intent, context.stack) ?? []
}
const sandbox: Sandbox = {
  id: 'one',
  site: B,
  namespace: sandboxName,
  labels: { 'standby.dev/stack': name },
  deadline: 60_000,
  endpointOf: () => ({ host: `postgres.${sandboxName}.svc`, user: 'app', database: 'postgres' }),
}
async function removeRestored(): Promise<void> {
  const pod = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace: sandboxName, name: 'application-restored' }
  await kubernetes(B).remove(pod)
  while ((await kubernetes(B).get(pod)) !== null) await systemClock.sleep(200, signal)
}
const outcomes = (checks: readonly { id: string; outcome: string }[]) =>
  Object.fromEntries(checks.map((one) => [one.id, one.outcome]))

describe('an application on two real sites', () => {
  test('is deployed in its roles, and a second deploy finds nothing, although the chart stamps the time', async () => {
    expect((await deploy(A)).map((change) => change.kind)).toEqual(['create', 'create'])
    expect(await applicationPods(A)).toHaveLength(1)
    expect(await applicationPods(B)).toHaveLength(0)
    const began = performance.now()
    expect(await deploy(A)).toEqual([])
    console.log(`a deploy without a difference: ${Math.round(performance.now() - began)} ms for two sites`)
    expect(await helmRelease.observe(component, A, context)).toMatchObject({ role: 'active', health: 'healthy' })
    expect(await helmRelease.observe(component, B, context)).toMatchObject({ role: 'passive', health: 'healthy' })
    const address = lab.sites.find((site) => site.name === A)?.address ?? ''
    credentials = await provisionInstance(`http://${address}:${nodePort}`)
    await putSecret(`http://${address}:${nodePort}`, credentials, 'STANDBY_CANARY', canaryValue)
  }, 180_000)

  test('a restore test on a true copy is restorable, with a canary that decrypts', async () => {
    await copyDatabase(A, B, sandboxName)
    const report = await helmRelease.restoreTest?.(component, A, sandbox, context)
    expect(outcomes(report?.checks ?? [])).toEqual({
      'same-instance': 'pass',
      starts: 'pass',
      'canary-decrypts': 'pass',
    })
    await removeRestored()
  }, 120_000)

  test('a restore test with another encryption key turns red with the reason of the application', async () => {
    const secret = prerequisites(name, randomBytes(16).toString('hex')).find((object) => object.kind === 'Secret')
    await kubernetes(B).apply(secret as KubernetesObject, { force: true })
    const report = await helmRelease.restoreTest?.(component, A, sandbox, context)
    expect(verdictOf(report?.checks ?? [])).toBe('not-restorable')
    expect(report?.checks.find((one) => one.id === 'starts')?.found).toContain('does not decrypt')
    await kubernetes(B).apply(
      prerequisites(name, encryptionKey).find((object) => object.kind === 'Secret') as KubernetesObject,
      {
        force: true,
      },
    )
    await removeRestored()
  }, 120_000)

  test('a restore test on an empty database turns red, although the application is green on it', async () => {
    await psql(B, sandboxName, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    const report = await helmRelease.restoreTest?.(component, A, sandbox, context)
    expect(verdictOf(report?.checks ?? [])).toBe('not-restorable')
    expect(outcomes(report?.checks ?? [])).toMatchObject({
      'same-instance': 'fail',
      starts: 'pass',
      'canary-decrypts': 'fail',
    })
    await removeRestored()
  }, 120_000)

  test('a rollout that cannot succeed is reported early with the true reason', async () => {
    writeFileSync(join(directory, 'broken.yaml'), JSON.stringify({ infisical: { image: { tag: 'v0.0.0-missing' } } }))
    const broken: Application = {
      ...component,
      spec: { ...component.spec, values: { all: ['all.yaml', 'broken.yaml'], passive: ['passive.yaml'] } },
    }
    const unit = await unitOf(A, A, broken)
    await unit.apply(signal)
    const began = performance.now()
    await expect(untilReady(unit)).rejects.toMatchObject({
      code: 'rollout-failed',
      message: expect.stringMatching(/ErrImagePull|ImagePullBackOff/),
    })
    console.log(`a missing image was reported after ${Math.round(performance.now() - began)} ms`)
    expect(await deploy(A)).not.toEqual([])
    expect(await deploy(A)).toEqual([])
  }, 180_000)

  test('a release that an interrupted helm left pending is refused with the way out', async () => {
    const releases = await kubernetes(B).list(
      { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' },
      { namespace: name, labelSelector: 'owner=helm,name=app' },
    )
    const last = releases.at(-1)
    if (last === undefined) throw new Error('no release')
    const { gunzipSync, gzipSync } = await import('node:zlib')
    const release = JSON.parse(
      gunzipSync(
        Buffer.from(Buffer.from((last.data as { release: string }).release, 'base64').toString(), 'base64'),
      ).toString(),
    ) as { info: { status: string } }
    const stored = (status: string) => {
      const text = gzipSync(JSON.stringify({ ...release, info: { ...release.info, status } })).toString('base64')
      return { data: { release: Buffer.from(text).toString('base64') }, metadata: { labels: { status } } }
    }
    const ref = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace: name, name: last.metadata.name }
    await kubernetes(B).patch(ref, stored('pending-upgrade'))
    const unit = await unitOf(B, A)
    expect(await unit.diff(signal)).not.toEqual([])
    await expect(unit.apply(signal)).rejects.toMatchObject({
      code: 'release-pending',
      next: expect.stringContaining('helm rollback'),
    })
    await kubernetes(B).patch(ref, stored('deployed'))
    expect(await unit.diff(signal)).toEqual([])
  }, 60_000)

  test('moves: stopped without a pod left, started, and proven to be the same instance with a key that decrypts', async () => {
    const steps = await stepsOf(there)
    const of = (action: string, site: SiteName) => steps.find((step) => step.action === action && step.site === site)
    await perform(of('record-identity', A))
    await perform(of('pull-images', B))
    expect(proofs.get('application.pull-images@dc-b')).toEqual({ images: expect.arrayContaining([expect.any(String)]) })
    expect(await applicationPods(B)).toHaveLength(0)
    const stop = await perform(of('stop', A))
    expect(await applicationPods(A)).toHaveLength(0)
    // Only this session is connected to its database: the pods that the kubelet reports as ended have really ended.
    expect(await psql(A, name, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")).toBe('1')
    await copyDatabase(A, B, name)
    const start = await perform(of('start', B))
    const identity = await perform(of('identity', B))
    expect(proofs.get('application.identity@dc-b')).toMatchObject({ canary: 'decrypts' })
    const served = (await applicationPods(B)).map((pod) => pod.metadata.uid)
    const reconcile = await perform(of('reconcile', B))
    await perform(of('reconcile', A))
    console.log(`move: stop ${stop} ms, start ${start} ms, identity ${identity} ms, reconcile ${reconcile} ms`)
    expect(await deploy(B)).toEqual([])
    // The pods that took over still serve: the release was only made to say what is true.
    expect((await applicationPods(B)).map((pod) => pod.metadata.uid)).toEqual(served)
  }, 180_000)

  test('an application on another database than the one that was moved is not let in', async () => {
    const steps = await stepsOf({ mode: 'switchover', from: A, to: B })
    await psql(B, name, 'UPDATE super_admin SET "instanceId" = gen_random_uuid()')
    await expect(perform(steps.find((step) => step.action === 'identity'))).rejects.toMatchObject({
      code: 'another-instance',
    })
  }, 60_000)

  test('a stop is undone', async () => {
    const back = await stepsOf({ mode: 'switchover', from: B, to: A })
    const step = back.find((one) => one.action === 'stop') as PlannedStep
    await perform(step)
    const run = { step, component, context, signal, proofOf: () => null } as unknown as FlatRun
    await takeStepBack(helmRelease.behaviours.stop as unknown as Behaviour, run)
    await untilReady(await unitOf(B, B))
    expect(await applicationPods(B)).toHaveLength(1)
  }, 90_000)
})
