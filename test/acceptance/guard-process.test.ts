import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject, ObjectReference } from '../../src/clients/kubernetes-client.ts'
import { openObjectStore } from '../../src/clients/object-store.ts'
import { systemClock } from '../../src/composition/connect.ts'
import type { Identity } from '../../src/domain/identities.ts'
import { componentOf, type SiteName, type Stack, siteOf } from '../../src/domain/stack.ts'
import type { DriverContext } from '../../src/driver/context.ts'
import type { Deployment, DeployUnit } from '../../src/driver/deployment.ts'
import { deployGuard, deploymentReference, reportReference } from '../../src/drivers/guard/deploy.ts'
import { guard as guardDriver } from '../../src/drivers/guard/driver.ts'
import { guardManifests, PROGRAM } from '../../src/drivers/guard/manifests.ts'
import { guardNamespace } from '../../src/drivers/guard/namespace.ts'
import type { GuardComponent } from '../../src/drivers/guard/spec.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { CONFIGURATION, GUARD, WITNESS_AUTHORITIES } from '../../src/guard/names.ts'
import { type GuardReport, reportIn } from '../../src/guard/report.ts'
import { accessRulesOf, identitiesOf } from '../../src/operations/access.ts'
import { accessObjects } from '../../src/platform/kubernetes/access.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { createActive, readActive, replaceActive } from '../../src/witness/active.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import { conditionalStore } from '../../src/witness/s3/store.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { selfSigned } from '../support/certificate.ts'
import { type FaultyProxy, startFaultyProxy } from '../support/faulty-proxy.ts'
import { kubeconfigOf } from '../support/kubeconfig.ts'
import { type ObjectStoreServer, startObjectStore } from '../support/object-store.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(120_000)

/**
 * A real API server, a real S3 server over a line that can be cut, the guard as a real process, and no identity with
 * more rights than it needs.
 */
const A = 'dc-a' as SiteName
const ending = new AbortController()
const { signal } = ending
const folder = temporaryFolder()
const stackPath = join(folder, 'standby.yaml')
let api: ApiServer
let storage: ObjectStoreServer
let wire: FaultyProxy
let admin: KubernetesClient
let witness: ConditionalStore
let stack: Stack
let unit: DeployUnit
const application = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespace: 'shop',
  name: 'shop',
} as const
const discovery = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespace: null,
  name: 'system:discovery',
} as const
const FIRST = {
  schemaVersion: 1,
  stack: 'shop',
  epoch: 1,
  activeSite: 'dc-a',
  since: '2026-11-20T00:00:00.000Z',
  run: 'r',
} as const
const running = new Set<ChildProcess>()
/** By the guard that was started last. */
let said = ''

beforeAll(async () => {
  ;[api, storage] = await Promise.all([startApiServer(), startObjectStore()])
  wire = await startFaultyProxy(storage.endpoint)
  admin = openKubernetes({ site: A, kubeconfig: api.kubeconfig('admin'), signal })
  witness = conditionalStore(openObjectStore(storage.access('witness/')), signal)
  const text = stackText(await admin.clusterId())
  writeFileSync(stackPath, text)
  stack = parseStack(text, stackPath, { drivers, witnesses })
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
  // The rights that every account has come some seconds after the server itself.
  await until('the roles of every account', () => admin.get(discovery))
  const rules = accessRulesOf(stack, drivers)
  for (const object of accessObjects(stack, siteOf(stack, A), rules, identitiesOf(stack, drivers)))
    await admin.apply(object, { force: true })
  await admin.create(workload())
  await createActive(witness, FIRST)
  unit = await guardUnit()
})
afterEach(async () => {
  wire.faultFor = () => 'pass'
  for (const child of [...running]) await end(child)
})
afterAll(async () => {
  ending.abort()
  await wire?.close()
  await Promise.all([api?.stop(), storage?.stop()])
})

function stackText(clusterId: string): string {
  const keys = '{ accessKeyId: { env: KEY }, secretAccessKey: { env: SECRET } }'
  const site = `{ kubernetes: { kubeconfig: { env: KUBECONFIG }, clusterId: ${clusterId} } }`
  return `standby: 1
name: shop
sites: { dc-a: ${site}, dc-b: ${site} }
initialActive: dc-a
witness: { driver: s3, endpoint: "${wire.endpoint}", region: us-east-1, bucket: bucket, prefix: witness/, credentials: ${keys} }
components:
  application:
    driver: helm-release
    namespace: shop
    release: shop
    chart: { path: chart }
    workload: { kind: Deployment, name: shop, container: shop }
  guard:
    driver: guard
    image: docker.io/library/node:24
    witnessCredentials: ${keys}
    every: 500ms
    silence: 10s
`
}

function workload(): KubernetesObject {
  const labels = { app: 'shop' }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', namespace: 'shop' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'shop', image: 'shop:1' }] } },
    },
  }
}

/** A client, and a kubeconfig, of one identity of the stack; never the administrator's. */
async function identity(name: Identity): Promise<{ readonly client: KubernetesClient; readonly kubeconfig: string }> {
  const namespace = name === 'guard' ? guardNamespace('shop') : 'standby-shop'
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/standby-${name}/token`
  const answer = (await admin.request('POST', path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {},
  })) as {
    readonly status: { readonly token: string }
  }
  const kubeconfig = kubeconfigOf({ url: api.url, caData: api.caData, user: `token: ${answer.status.token}` })
  return { kubeconfig, client: openKubernetes({ site: A, kubeconfig, signal }) }
}

async function guardUnit(): Promise<DeployUnit> {
  const { client } = await identity('deployer')
  const context = {
    stack,
    signal,
    clock: systemClock,
    platform: () => client,
    credential: async (reference: { env: string }) => `value-of-${reference.env}`,
  } as unknown as DriverContext
  const deployment = { activeSite: A, roleOf: () => 'active', observed: {} } as unknown as Deployment
  const [made] = await deployGuard(componentOf(stack, 'guard') as unknown as GuardComponent, A, deployment, context)
  if (made === undefined) throw new Error('no unit')
  return made
}

async function startGuard(memory?: string, path = stackPath): Promise<ChildProcess> {
  const kubeconfig = join(folder, 'guard.kubeconfig')
  writeFileSync(kubeconfig, (await identity('guard')).kubeconfig)
  const { accessKeyId, secretAccessKey } = storage.access()
  const deployed = await admin.get(deploymentReference('shop'))
  const args = ['--stack', path, 'guard', '--site', 'dc-a', '--kubeconfig', kubeconfig]
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '..', 'support', 'guard-command.ts'),
      ...args,
      ...(memory === undefined ? [] : ['--memory', memory]),
    ],
    {
      env: {
        PATH: process.env.PATH ?? '',
        STANDBY_GUARD_ACCESS_KEY_ID: accessKeyId,
        STANDBY_GUARD_SECRET_ACCESS_KEY: secretAccessKey,
        [CONFIGURATION]: configurationIn(deployed),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  running.add(child)
  said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return child
}

function configurationIn(deployed: KubernetesObject | null): string {
  const spec = deployed?.spec as
    | { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } }
    | undefined
  return spec?.template.spec.containers[0]?.env.find(({ name }) => name === CONFIGURATION)?.value ?? ''
}

async function end(child: ChildProcess, by: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  child.kill(by)
  return ended
}

async function until<T>(
  what: string,
  ask: () => Promise<T | null>,
  within = 20_000,
): Promise<{ readonly value: T; readonly took: number }> {
  const began = performance.now()
  for (;;) {
    const value = await ask()
    if (value !== null) return { value, took: performance.now() - began }
    if (performance.now() - began > within)
      throw new Error(`${what}: not within ${within} ms; the guard said:\n${said}`)
    await pause(50)
  }
}

const replicas = async (): Promise<number> => ((await there(application)).spec as { replicas: number }).replicas
async function there(ref: ObjectReference): Promise<KubernetesObject> {
  const found = await admin.get(ref)
  if (found === null) throw new Error(`${ref.kind} ${ref.name} is not there`)
  return found
}
const open = (): Promise<unknown> => admin.patch(application, { spec: { replicas: 2 } }, { subresource: 'scale' })
const closed = (): Promise<true | null> => replicas().then((count) => (count === 0 ? true : null))
const report = async (): Promise<GuardReport | null> => reportIn((await admin.get(reportReference('shop')))?.data)
const reportsThat = (holds: (report: GuardReport) => boolean, since = new Date()) =>
  until('the report', async () => {
    const found = await report()
    return found !== null && Date.parse(found.at) >= since.getTime() && holds(found) ? found : null
  })
async function witnessSays(activeSite: string): Promise<void> {
  const active = await readActive(witness)
  if (active === null) throw new Error('no active record')
  await replaceActive(witness, { ...active.record, epoch: active.record.epoch + 1, activeSite }, active)
}

describe('what a deploy puts on a site', () => {
  test('is created by the deployer alone, and is unchanged the second time', async () => {
    expect((await unit.diff(signal)).map(({ kind, object }) => `${kind} ${object}`).sort()).toEqual([
      'create standby-guard-shop/ConfigMap/standby-guard',
      'create standby-guard-shop/ConfigMap/standby-guard-program',
      'create standby-guard-shop/Deployment/standby-guard',
      'create standby-guard-shop/Secret/standby-guard-witness',
    ])
    await unit.apply(signal)
    expect(await unit.diff(signal)).toEqual([])
    expect(await unit.ready(signal)).toMatchObject({ is: 'pending' })
  })

  test('its pod is admitted in a namespace of the strictest pod security', async () => {
    const deployed = await there(deploymentReference('shop'))
    const template = (deployed.spec as { template: { metadata: object; spec: object } }).template
    const path = `/api/v1/namespaces/${guardNamespace('shop')}/pods?dryRun=All`
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name: 'try' }, spec: template.spec }
    await expect(admin.request('POST', path, pod)).resolves.toMatchObject({ metadata: { name: 'try' } })
    const careless = { ...pod, spec: { ...template.spec, securityContext: {} } }
    await expect(admin.request('POST', path, careless)).rejects.toThrow(/restricted/)
  })

  test('the identity that installs guards cannot run pods as the mover, and a guard cannot read a Secret or start what it stops', async () => {
    const accounts = await admin.list(
      { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts' },
      { namespace: guardNamespace('shop') },
    )
    expect(accounts.map(({ metadata }) => metadata.name).filter((name) => name !== 'default')).toEqual([GUARD])
    const { client } = await identity('guard')
    const secrets = {
      apiVersion: 'v1',
      kind: 'Secret',
      plural: 'secrets',
      namespace: guardNamespace('shop'),
      name: 'standby-guard-witness',
    }
    await expect(client.get(secrets)).rejects.toMatchObject({ code: 'kubernetes-forbidden' })
    await expect(
      client.patch(application, { spec: { template: { spec: { hostNetwork: true } } } }),
    ).rejects.toMatchObject({
      code: 'kubernetes-forbidden',
    })
  })
})

describe('the guard as a process', () => {
  test('leaves the active site alone, says so, and ends at once on a signal', async () => {
    await open()
    const guard = await startGuard()
    const { value } = await reportsThat(({ because }) => because === 'active')
    expect(value).toMatchObject({ decision: 'stand-by', closed: [], open: [], site: 'dc-a', activeSite: 'dc-a' })
    await pause(2_000)
    expect(await replicas()).toBe(2)
    expect(await unit.ready(signal)).toMatchObject({ is: 'done' })
    const began = performance.now()
    expect(await end(guard, 'SIGTERM')).toBe(0)
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(said.trim().split('\n').length).toBe(2)
  })

  test('closes the application within two looks after the epoch has ended its turn, proves it, and holds it closed', async () => {
    await open()
    await startGuard()
    await reportsThat(({ because }) => because === 'active')
    await witnessSays('dc-b')
    const { took } = await until('zero replicas', closed)
    expect(took).toBeLessThan(5_000)
    const { value } = await reportsThat(({ lastClosing }) => lastClosing !== null)
    expect(value).toMatchObject({ decision: 'close', because: 'not-active', activeSite: 'dc-b', open: [] })
    expect(value.lastClosing?.steps[0]).toMatch(/^application\..*dc-a$/)
    await open()
    await until('zero replicas again', closed)
    expect(said).toContain('dc-a is not the active site')
  })

  test('a site that comes back open is closed within seconds of the start of its guard', async () => {
    await open()
    const began = performance.now()
    await startGuard()
    await until('zero replicas', closed)
    const took = performance.now() - began
    console.info(`from the start of the process to zero replicas: ${Math.round(took)} ms`)
    expect(took).toBeLessThan(10_000)
  })

  test('a witness that falls silent takes no proven site down, through crashes of the guard as well; without its memory, and so after a boot, it does', async () => {
    await witnessSays('dc-a')
    await open()
    const memory = join(folder, 'memory')
    mkdirSync(memory)
    const first = await startGuard(memory)
    await reportsThat(({ because }) => because === 'active')
    wire.faultFor = () => 'lose-request'
    await reportsThat(({ because }) => because === 'active-and-silent')
    await end(first)
    const second = await startGuard(memory)
    await reportsThat(({ because }) => because === 'active-and-silent')
    await pause(12_000)
    expect(await replicas()).toBe(2)
    await end(second)
    rmSync(memory, { recursive: true })
    await startGuard(memory)
    await until('zero replicas', closed, 40_000)
    await reportsThat(({ because, lastClosing }) => because === 'not-proven' && lastClosing !== null)
  })

  test('a witness with an authority of its own is believed by what the deploy has put beside the stack file, and not without', async () => {
    const secure = await startObjectStore({ tls: true })
    try {
      const { authorities = null } = secure.access()
      await createActive(conditionalStore(openObjectStore(secure.access('witness/')), signal), FIRST)
      const named = `"${secure.endpoint}", endpointCA: certificates/witness.pem`
      const stackFile = stackText(await admin.clusterId()).replace(`"${wire.endpoint}"`, named)
      const component = componentOf(stack, 'guard') as unknown as GuardComponent
      const parts = {
        program: { packed: '', bytes: 0, sha256: '' },
        stackFile,
        keys: {},
        authorities,
      }
      const mounted = guardManifests(component, stack, A, parts).find(({ object }) => object.metadata.name === PROGRAM)
        ?.object.data
      const pod = join(folder, 'pod')
      mkdirSync(pod)
      for (const [name, content] of Object.entries(mounted ?? {})) writeFileSync(join(pod, name), String(content))
      const child = await startGuard(undefined, join(pod, 'standby.yaml'))
      await until('the guard believes it', async () => said.includes('dc-a is the active site (epoch 1') || null)
      await end(child)
      writeFileSync(join(pod, WITNESS_AUTHORITIES), selfSigned().cert)
      await startGuard(undefined, join(pod, 'standby.yaml'))
      await until('the guard does not believe it', async () => said.includes('its certificate is not trusted') || null)
    } finally {
      await secure.stop()
    }
  })

  test('a witness that takes requests and never answers is silent too', async () => {
    await open()
    wire.faultFor = () => 'swallow-answer'
    await startGuard()
    await until('zero replicas', closed, 40_000)
  })
})

test('status tells of a guard that does not run, or that has fallen silent, and of no other', async () => {
  await witnessSays('dc-b')
  const { client } = await identity('observer')
  const now = { ahead: 0 }
  const clock = { ...systemClock, now: () => new Date(Date.now() + now.ahead) }
  const context = { stack, signal, clock, platform: () => client } as unknown as DriverContext
  const component = componentOf(stack, 'guard') as unknown as GuardComponent
  const codes = async (): Promise<string[]> => {
    const state = await guardDriver.observe(component, A, context)
    const assessment = { now: clock.now().toISOString(), objectives: stack.objectives, activeSite: 'dc-b', stack }
    return guardDriver.assess.status(component, { [A]: state }, assessment).map(({ code }) => code)
  }
  expect(await codes()).toEqual(['guard-not-running'])
  await admin.patch(
    deploymentReference('shop'),
    { status: { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 } },
    { subresource: 'status' },
  )
  await open()
  const began = new Date()
  await startGuard()
  await reportsThat(({ lastClosing, closed: steps }) => lastClosing !== null && steps.length === 0, began)
  expect(await codes()).toEqual([])
  now.ahead = 180_000
  expect(await codes()).toEqual(['guard-stale'])
})
